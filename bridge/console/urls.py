"""The addresses of the console, under ``/admin/console/``."""

from typing import Final

from django.urls import URLPattern, path

from bridge.console.audit import AuditPage

PAGES: Final[list[URLPattern]] = [
    path("audit", AuditPage.as_view(), name="console_audit"),
]
"""What is looked at; the admin lets in staff."""

ACTIONS: Final[list[URLPattern]] = []
"""What is done; the admin lets in staff with a CSRF token."""

OPEN: Final[list[URLPattern]] = []
"""What lets in by itself, since the admin knows only synchronous views."""
