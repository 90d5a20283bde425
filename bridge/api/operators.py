"""What the views for operators share: who may use them, and how they reach the mesh."""

from typing import Any, cast

from redis.asyncio import Redis
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from ipc.django_app.identity import Identity
from ipc.django_app.parsers import BoundedJSONParser
from ipc.django_app.runtime import current_redis
from ipc.protocol.errors import UnavailableError

OPERATOR_ROLES = frozenset({"staff", "admin"})


class IsOperator(BasePermission):
    """Lets in Django's staff, whoever has the permission ``*``, and the development identity."""

    message = "this is for operators: log in to the admin as a member of staff"

    def has_permission(self, request: Request, view: Any) -> bool:  # noqa: ARG002 - the signature is DRF's
        """Tell whether the identity may operate the mesh.

        Every session has the permissions on posts, so those say nothing here.
        """
        if not request.user.is_authenticated:
            return False
        identity = cast(Identity, request.user)
        return identity.is_dev_bypass or "*" in identity.permissions or not OPERATOR_ROLES.isdisjoint(identity.roles)


class OperatorView(APIView):
    """A view for operators."""

    permission_classes = [IsOperator]
    parser_classes = [BoundedJSONParser]

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
