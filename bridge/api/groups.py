"""Durable groups over HTTP: how each one is doing."""

# ruff: noqa: ARG002 - Django hands every method the request

from typing import Any

from asgiref.sync import async_to_sync
from rest_framework.request import Request
from rest_framework.response import Response

from bridge.api.operators import OperatorView, answer
from ipc.stores.group_states import GroupState, GroupStates


class GroupListView(OperatorView):
    """All groups of the mesh."""

    def get(self, request: Request) -> Response:
        """Answer with them, by service and name."""
        states = async_to_sync(GroupStates(self.redis()).list)()
        return answer({"groups": [_json(state) for state in states]})


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
