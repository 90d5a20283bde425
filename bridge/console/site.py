"""The site of the admin: the console's pages beside those of the models, in one theme."""

from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path
from unfold.admin import ModelAdmin as ThemedAdmin
from unfold.sites import UnfoldAdminSite

from bridge.console.navigation import shortcuts, sidebar
from bridge.console.overview import OverviewPage
from bridge.console.urls import ACTIONS, OPEN, PAGES
from ipc.django_app.bypass import is_bypass_on

COLOURS: Final = {"development": "info", "production": "success"}


class ConsoleSite(UnfoldAdminSite):  # type: ignore[misc]  # unfold has no types
    """Opens on the mesh; what apps register is shown in the same theme."""

    index_title = "Overview"

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        # What is deleted is looked at first, one by one.
        self.disable_action("delete_selected")

    def extra_urls(self) -> list[URLPattern]:
        """Return the addresses of the console."""
        inside = [_beneath(each, self.admin_view(each.callback)) for each in (*PAGES, *ACTIONS)]
        return [*inside, *(_beneath(each, each.callback) for each in OPEN)]

    def register(self, model_or_iterable: Any, admin_class: type[Any] | None = None, **options: Any) -> None:
        """Register a model as Django does, with the theme beneath what is particular to its admin."""
        themed = admin_class or ThemedAdmin
        if not issubclass(themed, ThemedAdmin):
            themed = type(themed.__name__, (themed, ThemedAdmin), {"__module__": themed.__module__})
        super().register(model_or_iterable, themed, **options)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        """Show the mesh to who may see it, and to others what they may see."""
        if request.user.has_perm(OverviewPage.permission):
            return OverviewPage.as_view()(request)
        shown: HttpResponseBase = super().index(request, extra_context)
        return shown

    def get_sidebar_list(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Return what stands at the side of every page."""
        return sidebar(request)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Return what every page needs; the colours are in a stylesheet of ours, and not in the page."""
        context = super().each_context(request)
        environment = settings.EXPRSN_ENV
        return {
            **context,
            "colors": None,
            "environment": [environment, COLOURS.get(environment, "warning")],
            "is_bypass_on": is_bypass_on(),
            "shortcuts": shortcuts(request) if self.has_permission(request) else [],
        }


def _beneath(address: URLPattern, view: Callable[..., Any]) -> URLPattern:
    return path(f"console/{address.pattern}", view, name=address.name or "")
