"""What the blocking views share: how they find out who asks, reach the mesh, read what is sent, and answer."""

from collections.abc import Mapping
from typing import Any

from asgiref.sync import async_to_sync
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bridge.api.access import admitted
from bridge.api.authentication import AUTHENTICATION, Asker, asker_in
from bridge.api.rate_limits import charge, show_budget
from bridge.api.refusals import count_refusal, note_refusal
from ipc.django_app.parsers import BoundedJSONParser
from ipc.django_app.runtime import running_hub
from ipc.protocol.errors import IPCError


class MeshView(APIView):
    """A view in a thread; who may use it is decided in one place, for all views."""

    authentication_classes = AUTHENTICATION
    # Whoever has come through `admitted` may.
    permission_classes = []
    parser_classes = [BoundedJSONParser]
    asker: Asker

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Find out who asks and let in whoever may, before anything is done.

        Raises:
            IPCError: which becomes the answer.

        """
        super().initial(request, *args, **kwargs)
        asker = asker_in(request)
        try:
            self.asker = admitted(request._request, asker)
        except IPCError as error:
            async_to_sync(count_refusal)(request._request, asker, error)
            raise
        if self.asker.token is not None:
            async_to_sync(charge)(request._request, running_hub(), self.asker.token)

    def handle_exception(self, exc: Exception) -> Response:
        """Take note of what somebody was refused after they were let in, and answer."""
        if isinstance(exc, IPCError):
            async_to_sync(note_refusal)(self.request._request, getattr(self, "asker", None), exc)
        response: Response = super().handle_exception(exc)
        return response

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Say what is left of the service's budget."""
        final = super().finalize_response(request, response, *args, **kwargs)
        show_budget(request._request, final)
        return final


def checked(
    serializer_class: type[serializers.Serializer[Any]], given: Mapping[str, Any], *, kind: str = "member"
) -> dict[str, Any]:
    """Return the values of what was given, of which nothing may be unknown.

    Raises:
        ValidationError: with the errors of each.

    """
    serializer = serializer_class(data=given)
    serializer.is_valid(raise_exception=True)
    if unknown := sorted(set(given) - set(serializer.fields)):
        raise serializers.ValidationError({name: [f"There is no such {kind}."] for name in unknown})
    return dict(serializer.validated_data)


def checked_query(serializer_class: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """Return the values of a request's query, the last of those that are given twice.

    Raises:
        ValidationError: with the errors of each.

    """
    query = request.query_params
    return checked(serializer_class, {name: query[name] for name in query}, kind="parameter")


def answer(data: Any) -> Response:
    """Return a success with what was asked for, to be kept by nobody on the way."""
    return Response({"success": True, "data": data}, headers={"Cache-Control": "no-store"})
