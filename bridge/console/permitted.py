"""Who may use an address of the console: decided before anything is done, by one permission that each address names."""

from importlib import import_module
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth import aget_user
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views import View

from ipc.django_app.audit_trail import operator_name
from ipc.django_app.http import error_body
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import ForbiddenError, IPCError


class Permitted(View):
    """An address inside the admin, which lets staff in."""

    permission: ClassVar[str]
    """Who may use it, such as ``bridge.view_mesh``."""

    def dispatch(self, request: HttpRequest, *args: Any, **where: Any) -> HttpResponseBase:
        """Answer whoever has the permission.

        Raises:
            PermissionDenied: which browsers are told as a page, and scripts as JSON.

        """
        if not request.user.has_perm(self.permission):
            raise PermissionDenied
        return super().dispatch(request, *args, **where)


class PermittedFeed(View):
    """An address for scripts, in the event loop, which lets in by itself: the admin is for threads."""

    http_method_names = ["get"]
    permission: ClassVar[str] = "bridge.view_mesh"

    def needed(self, request: HttpRequest) -> tuple[str, ...]:  # noqa: ARG002 - for those of which it depends on it
        """Return the permissions that a request needs."""
        return (self.permission,)

    async def dispatch(  # type: ignore[override]  # as `View.as_view` takes it, where a view is asynchronous
        self, request: HttpRequest, *args: Any, **where: Any
    ) -> HttpResponseBase:
        """Answer whoever has the permission, and all others with an error."""
        try:
            if not await may_look(request.session.session_key, *self.needed(request)):
                raise ForbiddenError("this is for staff who may look at it: log in to the admin")
            answer: HttpResponseBase = await super().dispatch(request, *args, **where)  # type: ignore[misc]  # async views
        except IPCError as error:
            return refused(error.code, error.message)
        return answer


def operator_of(request: HttpRequest) -> str:
    """Return who is at work, as the audit trail names them."""
    return operator_name(str(request.user.pk))


async def may_look(session_key: str | None, *permissions: str) -> bool:
    """Tell whether a session is that of staff who have some permissions, by what the database says now."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = await aget_user(request)
    return bool(user.is_active and user.is_staff) and await user.ahas_perms(permissions)


def refused(code: ErrorCode, message: str) -> HttpResponse:
    """Return an error as JSON."""
    body: dict[str, Any] = error_body(code, message)
    return JsonResponse(body, status=code.http_status, headers={"Cache-Control": "no-store"})
