"""The addresses of the console, under ``/admin/console/``."""

from typing import Final

from django.urls import URLPattern, path

from bridge.console.audit import AuditPage
from bridge.console.catalogue import CataloguePage, DeclaredPage
from bridge.console.certificates import CertificatesPage
from bridge.console.dead_letter import LetterPage
from bridge.console.dead_letters import DeadLettersPage
from bridge.console.emit import EmitPage
from bridge.console.event import EventJSON, EventPage
from bridge.console.explorer import ExplorerPage
from bridge.console.feed import FeedView
from bridge.console.groups import GroupPage, GroupsPage
from bridge.console.letter_actions import DiscardLetters, RedriveLetters
from bridge.console.limits import LimitsPage
from bridge.console.map import MapPage
from bridge.console.operations import CancelOperation, OperationPage, OperationsPage
from bridge.console.replaying import BeginReplay, CancelReplay, StepReplay
from bridge.console.revocation import RevokeTokens
from bridge.console.series import SeriesView
from bridge.console.services import ServicePage, ServicesPage
from bridge.console.sessions import DisconnectAction, SessionFeed, SessionPage
from bridge.console.tail import TailView
from bridge.console.tokens import InspectPage, MintPage, RevokePage, TokensPage

SESSION: Final = "services/<str:service>/<str:instance>"
PAGES: Final[list[URLPattern]] = [
    path("map", MapPage.as_view(), name="console_map"),
    path("services", ServicesPage.as_view(), name="console_services"),
    path("services/<str:service>", ServicePage.as_view(), name="console_service"),
    path(SESSION, SessionPage.as_view(), name="console_session"),
    path("operations", OperationsPage.as_view(), name="console_operations"),
    path("operations/<str:operation>", OperationPage.as_view(), name="console_operation"),
    path("audit", AuditPage.as_view(), name="console_audit"),
    path("explorer", ExplorerPage.as_view(), name="console_explorer"),
    path("explorer/event", EventPage.as_view(), name="console_event"),
    path("explorer/event.json", EventJSON.as_view(), name="console_event_json"),
    path("explorer/emit", EmitPage.as_view(), name="console_emit"),
    path("catalogue", CataloguePage.as_view(), name="console_catalogue"),
    path("catalogue/<str:service>/<str:event>", DeclaredPage.as_view(), name="console_declared"),
    path("groups", GroupsPage.as_view(), name="console_groups"),
    path("groups/<str:service>/<str:group>", GroupPage.as_view(), name="console_group"),
    path("dead-letters", DeadLettersPage.as_view(), name="console_dead_letters"),
    path("dead-letters/<str:service>/<str:group>/<str:position>", LetterPage.as_view(), name="console_dead_letter"),
    path("tokens", TokensPage.as_view(), name="console_tokens"),
    path("tokens/mint", MintPage.as_view(), name="console_token_mint"),
    path("tokens/inspect", InspectPage.as_view(), name="console_token_inspect"),
    path("tokens/revoke", RevokePage.as_view(), name="console_token_revoke"),
    path("certificates", CertificatesPage.as_view(), name="console_certificates"),
    path("limits", LimitsPage.as_view(), name="console_limits"),
]
"""What is looked at; the admin lets in staff."""

ACTIONS: Final[list[URLPattern]] = [
    path("operations/<str:operation>/cancel", CancelOperation.as_view(), name="console_operation_cancel"),
    path("groups/<str:service>/<str:group>/replay", BeginReplay.as_view(), name="console_replay_begin"),
    path("groups/<str:service>/<str:group>/replay/step", StepReplay.as_view(), name="console_replay_step"),
    path("groups/<str:service>/<str:group>/replay/cancel", CancelReplay.as_view(), name="console_replay_cancel"),
    path("dead-letters/redrive", RedriveLetters.as_view(), name="console_redrive"),
    path("dead-letters/discard", DiscardLetters.as_view(), name="console_discard"),
    path("tokens/revoke/do", RevokeTokens.as_view(), name="console_token_revoke_do"),
    path(f"{SESSION}/disconnect", DisconnectAction.as_view(), name="console_disconnect"),
]
"""What is done; the admin lets in staff with a CSRF token."""

OPEN: Final[list[URLPattern]] = [
    path(f"{SESSION}/feed", SessionFeed.as_view(), name="console_session_feed"),
    path("explorer/feed", TailView.as_view(), name="console_explorer_feed"),
    path("feed", FeedView.as_view(), name="console_feed"),
    path("series", SeriesView.as_view(), name="console_series"),
]
"""What lets in by itself, since the admin knows only synchronous views."""
