from django.apps import AppConfig


class PlumConfig(AppConfig):
    name = "plum_site.lib"
    label = "plum"
    verbose_name = "Plum"
