"""The project as a Django app, which is what makes ``manage.py up`` known."""

from django.apps import AppConfig


class ExprsnConfig(AppConfig):
    """Carries the commands that run the whole system."""

    name = "exprsn"
