from django.apps import AppConfig


class PlumSiteConfig(AppConfig):
    name = "plum_site"
    label = "plum_site"

    def ready(self) -> None:
        """Load the Celery application, so that every process sends to the configured broker."""
        from plum_site import celery  # noqa: F401, PLC0415 - apps must be loaded first
