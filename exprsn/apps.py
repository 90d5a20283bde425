"""The project as a Django app, which is what makes ``manage.py up`` known."""

from django.apps import AppConfig

from exprsn.checks import register_checks


class ExprsnConfig(AppConfig):
    """Carries the commands that run the whole system, and the checks of the project."""

    name = "exprsn"

    def ready(self) -> None:
        """Register the checks."""
        register_checks()
