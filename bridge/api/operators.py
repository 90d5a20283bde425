"""What the views for operators share: who may use them, how they reach the mesh, what they take and how they answer."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, cast

from redis.asyncio import Redis
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ipc.django_app.identity import Identity
from ipc.django_app.middleware import has_admin_permission
from ipc.django_app.parsers import BoundedJSONParser
from ipc.django_app.runtime import current_redis
from ipc.protocol.errors import UnavailableError

SPEAK: Final = "bridge.emit_event"
"""What staff need to speak in the name of services."""
OPERATOR_ROLES = frozenset({"staff", "admin"})


class IsOperator(BasePermission):
    """Lets in staff with the permission that the view names, whoever has ``*``, and the development identity."""

    message = "this is for operators: log in to the admin as a member of staff"

    def has_permission(self, request: Request, view: Any) -> bool:
        """Tell whether the identity may do this to the mesh; what the console does not let somebody do, this does not.

        Every session has the permissions on posts, so those say nothing here.
        """
        if not request.user.is_authenticated:
            return False
        identity = cast(Identity, request.user)
        if identity.is_dev_bypass or "*" in identity.permissions:
            return True
        if OPERATOR_ROLES.isdisjoint(identity.roles):
            return False
        needed: str = getattr(view, "permission", SPEAK)
        if not has_admin_permission(request._request, needed):
            self.message = f"this needs the permission {needed}"
            return False
        return True


class OperatorView(APIView):
    """A view for operators."""

    permission_classes = [IsOperator]
    parser_classes = [BoundedJSONParser]
    permission: ClassVar[str] = "bridge.view_mesh"
    """What staff need besides being staff."""

    @property
    def operator(self) -> str:
        """Who asks."""
        return cast(Identity, self.request.user).user_id

    @staticmethod
    def redis() -> Redis:
        """Return the Redis of the mesh, to be used in the event loop of the server.

        Raises:
            UnavailableError: this process has no hub.

        """
        redis = current_redis()
        if redis is None:
            raise UnavailableError("the hub does not run")
        return redis


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
