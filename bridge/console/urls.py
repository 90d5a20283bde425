"""The addresses of the console, under ``/admin/console/``."""

from typing import Final

from django.urls import URLPattern, path

from bridge.console.audit import AuditPage
from bridge.console.feed import FeedView
from bridge.console.map import MapPage
from bridge.console.series import SeriesView
from bridge.console.services import ServicePage, ServicesPage
from bridge.console.sessions import DisconnectAction, SessionPage, SessionStateView

SESSION: Final = "services/<str:service>/<str:instance>"
PAGES: Final[list[URLPattern]] = [
    path("map", MapPage.as_view(), name="console_map"),
    path("services", ServicesPage.as_view(), name="console_services"),
    path("services/<str:service>", ServicePage.as_view(), name="console_service"),
    path(SESSION, SessionPage.as_view(), name="console_session"),
    path(f"{SESSION}/state", SessionStateView.as_view(), name="console_session_state"),
    path("audit", AuditPage.as_view(), name="console_audit"),
]
"""What is looked at; the admin lets in staff."""

ACTIONS: Final[list[URLPattern]] = [
    path(f"{SESSION}/disconnect", DisconnectAction.as_view(), name="console_disconnect"),
]
"""What is done; the admin lets in staff with a CSRF token."""

OPEN: Final[list[URLPattern]] = [
    path("feed", FeedView.as_view(), name="console_feed"),
    path("series", SeriesView.as_view(), name="console_series"),
]
"""What lets in by itself, since the admin knows only synchronous views."""
