from django.apps import AppConfig


class ExportsConfig(AppConfig):
    name = "exports"

    def ready(self) -> None:
        """Listen to announcements, and register how webhooks leave."""
        from exports import tasks  # noqa: F401, PLC0415 - models must be loaded first
