"""A call as a request of DRF, so that the permissions, serializers and pagination of a viewset work on it unchanged."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict
from rest_framework.request import Request

from ipc.django_app.identity import ALL_PERMISSIONS, Identity
from ipc.protocol.errors import ForbiddenError, ValidationFailedError
from ipc.resources import CallContext

SERVICE_USER: Final = "service:"
"""What the ``user_id`` of a service begins with, so that it is never that of a person."""
MAX_USER_ID: Final = 128


class CallHttpRequest(HttpRequest):
    """The request of Django inside: it has no host, so its addresses have none either."""

    def build_absolute_uri(self, location: str | None = None) -> str:
        """Return the path."""
        return self.get_full_path() if location is None else location


class CallRequest(Request):
    """The request that permissions and serializers see.

    Args:
        http: what is inside.
        data: that of the call, which nothing has to parse.

    """

    def __init__(self, http: HttpRequest, data: Any) -> None:
        super().__init__(http)
        self._sent = data

    @property
    def data(self) -> Any:
        """What the call has sent."""
        return self._sent


class CallView:
    """What permissions and pagination may want to know of a view.

    Args:
        op: the operation, as ``action`` of a viewset.
        queryset: what may be seen.
        key: in ``kwargs`` as ``pk``, None where the call has none.

    """

    def __init__(self, op: str, queryset: QuerySet[Any], key: str | int | None) -> None:
        self.action = op
        self.queryset = queryset
        self.kwargs = {} if key is None else {"pk": key}
        self.format_kwarg = None

    def get_queryset(self) -> QuerySet[Any]:
        """Return what may be seen."""
        return self.queryset


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """What is asked of a model, as it came."""

    ctx: CallContext
    method: str
    key: str | int | None = None
    data: Any = None
    query: Mapping[str, Any] = field(default_factory=dict)


def request_of(call: ModelCall, identity: Identity) -> Request:
    """Return the request: ``user`` is the identity, ``auth`` the `CallContext`, ``data`` and ``query_params`` are set.

    Raises:
        ValidationFailedError: a value of the query is an array or an object.

    """
    http = CallHttpRequest()
    http.method = call.method
    http.path = http.path_info = f"/{call.ctx.resource}"
    text = urlencode({name: parameter(name, value) for name, value in call.query.items()}, errors="replace")
    http.META["QUERY_STRING"] = text
    http.GET = QueryDict(text)
    request = CallRequest(http, call.data)
    request.user = identity  # type: ignore[assignment]  # an identity stands in for Django's user everywhere here
    request.auth = call.ctx
    return request


def parameter(name: str, value: object) -> str:
    """Return a value of a query as an address would carry it.

    Raises:
        ValidationFailedError: it is an array or an object.

    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if not isinstance(value, str | int | float):
        raise ValidationFailedError(
            f"{name} in the query is one value, not an array or an object",
            details={name: ["This is text, a number, true, false or null."]},
        )
    return str(value)


def identity_of(ctx: CallContext, on_behalf: Collection[str]) -> Identity:
    """Return who makes a call: the service itself, or the user in ``meta.user`` if the service may act for users.

    What a service may call at all is in its token (``call:<resource>.<op>``), which the hub has checked.

    Raises:
        ForbiddenError: it names a user and is not in ``on_behalf``.
        ValidationFailedError: ``meta.user`` is not the id of a user.

    """
    user = ctx.meta.get("user") if isinstance(ctx.meta, dict) else None
    if user is None:
        return _identity(f"{SERVICE_USER}{ctx.source}")
    if ctx.source not in on_behalf:
        raise ForbiddenError(f"{ctx.source} may not call {ctx.resource} for a user: leave meta.user out")
    if not isinstance(user, str) or not 0 < len(user) <= MAX_USER_ID or "\x00" in user or user.startswith(SERVICE_USER):
        raise ValidationFailedError(
            f"meta.user is the id of a user, 1 to {MAX_USER_ID} characters",
            details={"meta.user": ["There is no such user."]},
        )
    return _identity(user)


def _identity(user_id: str) -> Identity:
    return Identity(user_id=user_id, permissions=ALL_PERMISSIONS, roles=frozenset({"service"}))
