"""The Django app of the Timeline service."""

from django.apps import AppConfig


class TimelineConfig(AppConfig):
    """Connects the receivers that turn the signals of posts into events."""

    name = "timeline"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the receivers."""
        from timeline import events

        events.connect()
