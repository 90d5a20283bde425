"""Long operations over HTTP: a list, and to cancel one."""

# ruff: noqa: ARG002 - Django hands every method the request

import msgspec
from asgiref.sync import async_to_sync
from rest_framework.request import Request
from rest_framework.response import Response

from bridge.api.mesh_view import MeshView, answer, checked_query
from bridge.api.services import WhichSerializer
from ipc.django_app.runtime import running_hub
from ipc.protocol.member_names import camel

MAX_LISTED = 500


class OperationListView(MeshView):
    """The long operations of a service, or of all."""

    def get(self, request: Request) -> Response:
        """Answer with them, the newest first."""
        which = checked_query(WhichSerializer, request)
        found = async_to_sync(running_hub().operations.list)(which.get("service"))
        listed = [each if self.asker.sees_errors else each.without_failure for each in found[:MAX_LISTED]]
        shown = [camel(msgspec.to_builtins(each)) for each in listed]
        return answer({"operations": shown, "hasMore": len(found) > MAX_LISTED})


class OperationCancelView(MeshView):
    """One long operation that shall end."""

    def post(self, request: Request, operation: str) -> Response:
        """Cancel it, and answer with how it is then."""
        cancelled = async_to_sync(self._cancel)(operation)
        return answer(cancelled)

    async def _cancel(self, operation: str) -> object:
        found = await running_hub().operations.cancel(operation, by=self.asker.name)
        return camel(msgspec.to_builtins(found))
