from django.apps import AppConfig


class ReferenceConfig(AppConfig):
    name = "plum_site.bench.reference"
    label = "reference"
