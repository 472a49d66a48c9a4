from django.apps import AppConfig


class ActivityConfig(AppConfig):
    name = "activity"

    def ready(self) -> None:
        """Register the checks of `manage.py verify`."""
        from activity import verify  # noqa: F401, PLC0415 - models must be loaded first
