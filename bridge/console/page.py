"""What the pages of the console share: an address in the admin, for who has the permission to look at it."""

from http import HTTPStatus
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from bridge.console.permitted import Permitted
from ipc.protocol.errors import IPCError


class ConsolePage(Permitted):
    """A page; ``template`` shows what `context_of` returns."""

    http_method_names = ["get", "head"]
    template: ClassVar[str]
    title: ClassVar[str]
    permission = "bridge.view_mesh"

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:
        """Return what the template needs; a ``title`` in it stands in the place of the page's own.

        Args:
            request: with the query in ``GET``.
            where: the parts of the address.

        Raises:
            IPCError: which the page says in the place of what it would show.

        """
        raise NotImplementedError

    def get(self, request: HttpRequest, **where: Any) -> HttpResponse:
        """Show the page."""
        context = {**admin.site.each_context(request), "title": self.title}
        status: int = HTTPStatus.OK
        try:
            context |= self.context_of(request, **where)
        except IPCError as error:
            status, context["problem"] = error.code.http_status, error.message
        request.current_app = admin.site.name
        return TemplateResponse(request, self.template, context, status=status)
