"""The addresses of the bridge."""

from django.urls import path

from bridge import views
from bridge.api.asyncapi import AsyncAPIView
from bridge.api.call import CallView
from bridge.api.dead_letters import DeadLetterListView, DeadLetterView, DiscardView, RedriveView
from bridge.api.emit import EmitView
from bridge.api.events import EventView
from bridge.api.explain import ExplainView
from bridge.api.groups import GroupListView
from bridge.api.jsonlex import JSONLexView
from bridge.api.operations import OperationCancelView, OperationListView
from bridge.api.positions import PositionsView
from bridge.api.revocation import RevokeView, TokenView
from bridge.api.services import ServiceListView
from bridge.api.tokens import TokenListView

urlpatterns = [
    path("health", views.health, name="health"),
    path("api/ipc/stats", views.stats, name="stats"),
    path("api/ipc/services", ServiceListView.as_view(), name="service-list"),
    path("api/ipc/asyncapi.json", AsyncAPIView.as_view(), name="asyncapi"),
    path("api/ipc/operations", OperationListView.as_view(), name="operation-list"),
    path("api/ipc/operations/<str:operation>/cancel", OperationCancelView.as_view(), name="operation-cancel"),
    path("api/ipc/explain", ExplainView.as_view(), name="explain"),
    path("api/ipc/jsonlex", JSONLexView.as_view(), name="jsonlex"),
    path("api/ipc/emit", EmitView.as_view(), name="emit"),
    path("api/ipc/call", CallView.as_view(), name="call"),
    path("api/ipc/positions", PositionsView.as_view(), name="positions"),
    path("api/ipc/tokens", TokenListView.as_view(), name="token-list"),
    path("api/ipc/tokens/revoke", RevokeView.as_view(), name="token-revoke"),
    path("api/ipc/tokens/<str:token_id>", TokenView.as_view(), name="token"),
    path("api/ipc/groups", GroupListView.as_view(), name="group-list"),
    path("api/ipc/events/<path:event_id>", EventView.as_view(), name="event"),
    path("api/ipc/dead-letters", DeadLetterListView.as_view(), name="dead-letter-list"),
    path("api/ipc/dead-letters/redrive", RedriveView.as_view(), name="dead-letter-redrive"),
    path("api/ipc/dead-letters/discard", DiscardView.as_view(), name="dead-letter-discard"),
    path("api/ipc/dead-letters/<str:service>/<str:group>/<str:position>", DeadLetterView.as_view(), name="dead-letter"),
]
