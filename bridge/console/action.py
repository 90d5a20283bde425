"""What an operator does on a page: posted with a CSRF token, by who has the permission, and written down."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar, NamedTuple

from asgiref.sync import async_to_sync
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from bridge.console.permitted import Permitted, operator_of, refused
from ipc.django_app.http import wants_json
from ipc.django_app.runtime import running_redis
from ipc.protocol.errors import IPCError
from ipc.stores.audit import Audit


class Done(NamedTuple):
    """What has been done."""

    message: str
    subject: str
    details: Mapping[str, Any] = {}
    data: Any = None
    """What a script on the page is answered with beside the message."""
    is_written: bool = False
    """Whether what was called has written the audit trail itself."""


class ConsoleAction(Permitted):
    """Something to do, at an address of its own; a form is led back to its page, a script gets JSON."""

    http_method_names = ["post"]
    action: ClassVar[str]
    """Its name in the audit trail, such as ``session.disconnect``."""
    back: ClassVar[str] = "admin:index"
    """The page to which a form is led that names none in ``next``."""

    async def act(self, request: HttpRequest, *, by: str, **where: Any) -> Done:
        """Do it, in the event loop of the server.

        Args:
            request: with the form in ``POST``.
            by: the operator, as the audit trail names them.
            where: the parts of the address.

        Raises:
            IPCError: which the operator is told.

        """
        raise NotImplementedError

    def post(self, request: HttpRequest, **where: Any) -> HttpResponse:
        """Do it, write it down and say what was done."""
        try:
            done = async_to_sync(self._act)(request, where)
        except IPCError as error:
            return self._refusal(request, error)
        if wants_json(request):
            return JsonResponse({"success": True, "message": done.message, "data": done.data})
        messages.success(request, done.message)
        return self._back(request)

    async def _act(self, request: HttpRequest, where: dict[str, Any]) -> Done:
        by = operator_of(request)
        done = await self.act(request, by=by, **where)
        if not done.is_written:
            await Audit(running_redis()).write(self.action, by=by, subject=done.subject, details=done.details)
        return done

    def _refusal(self, request: HttpRequest, error: IPCError) -> HttpResponse:
        if wants_json(request):
            return refused(error.code, error.message)
        messages.error(request, error.message)
        return self._back(request)

    def _back(self, request: HttpRequest) -> HttpResponse:
        wanted = request.POST.get("next", "")
        is_ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
        return HttpResponseRedirect(wanted if is_ours else reverse(self.back), status=HTTPStatus.SEE_OTHER)
