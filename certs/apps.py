"""The certificates as a Django app: it brings the commands."""

from django.apps import AppConfig


class CertsConfig(AppConfig):
    """Listed before staticfiles, and before daphne where that is an app, so that its runserver wins."""

    name = "certs"
    verbose_name = "Certificates"
