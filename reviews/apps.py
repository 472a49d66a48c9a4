from django.apps import AppConfig


class ReviewsConfig(AppConfig):
    name = "reviews"

    def ready(self) -> None:
        """Register the checks of `manage.py verify cycles`."""
        from reviews import verify  # noqa: F401, PLC0415 - models must be loaded first
