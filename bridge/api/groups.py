"""Durable groups over HTTP: how each one is doing."""

# ruff: noqa: ARG002 - Django hands every method the request

from typing import Any

from asgiref.sync import async_to_sync
from rest_framework.request import Request
from rest_framework.response import Response

from bridge.api.access import whose
from bridge.api.mesh_view import MeshView, answer
from ipc.django_app.runtime import running_redis
from ipc.stores.group_states import GroupState, GroupStates


class GroupListView(MeshView):
    """All groups of the mesh, or those of the service that asks."""

    def get(self, request: Request) -> Response:
        """Answer with them, by service and name."""
        states = async_to_sync(GroupStates(running_redis()).list)()
        only = whose(self.asker, None)
        return answer({"groups": [_json(state) for state in states if only in {None, state.service}]})


def _json(state: GroupState) -> dict[str, Any]:
    return {
        "service": state.service,
        "group": state.group,
        "hubs": state.hubs,
        "pending": state.pending,
        "lag": state.lag,
        "oldestPendingMs": state.oldest_pending_ms,
        "lost": state.lost,
        "dead": state.dead,
    }
