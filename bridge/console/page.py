"""What the pages of the console share: one address in the admin, to look at, for who has the permission to view it."""

# ruff: noqa: ARG002 - the signatures are those that Django calls

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from redis.asyncio import Redis

from ipc.django_app.runtime import current_redis
from ipc.protocol.errors import IPCError, UnavailableError

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


class ConsolePage(ModelAdmin):
    """A page in the place of a model's list; ``template`` shows what `context_of` returns."""

    template: ClassVar[str]

    def context_of(self, request: HttpRequest) -> dict[str, Any]:
        """Return what the template needs.

        Raises:
            IPCError: which the page says in the place of what it would show.

        """
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        """Return the one address, by the name under which the index of the admin looks for it."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_changelist"
        return [path("", self.admin_site.admin_view(self.changelist_view), name=name)]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the page."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": self._title()}
        status: int = HTTPStatus.OK
        try:
            context |= self.context_of(request)
        except IPCError as error:
            status, context["problem"] = error.code.http_status, error.message
        request.current_app = self.admin_site.name
        return TemplateResponse(request, self.template, context, status=status)

    def _title(self) -> str:
        name = str(self.opts.verbose_name_plural)
        return name[:1].upper() + name[1:]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


def mesh_redis() -> Redis:
    """Return the Redis of the mesh, to be used in the event loop of the server.

    Raises:
        UnavailableError: this process has joined no mesh.

    """
    redis = current_redis()
    if redis is None:
        raise UnavailableError("this process has joined no mesh, so it has nothing to show: REDIS_URL says where it is")
    return redis
