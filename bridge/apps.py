"""The Django app of the bridge."""

from django.apps import AppConfig


class BridgeConfig(AppConfig):
    """The app ``bridge``."""

    name = "bridge"
    default_auto_field = "django.db.models.BigAutoField"
