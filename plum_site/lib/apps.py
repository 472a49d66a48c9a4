from django.apps import AppConfig


class PlumConfig(AppConfig):
    name = "plum_site.lib"
    label = "plum"
    verbose_name = "Plum"

    def ready(self) -> None:
        """Register our look-ups, and the checks of `manage.py verify` that need no app."""
        from plum_site.lib import lookups, tenancy  # noqa: F401, PLC0415 - models must be loaded first
