"""The admin of the project: Django's, on the site of the console."""

from django.contrib.admin.apps import AdminConfig


class ConsoleAdminConfig(AdminConfig):
    """The app ``admin`` whose site is the console."""

    default_site = "bridge.console.site.ConsoleSite"
