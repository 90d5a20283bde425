"""Services, one service with its instances, in pages, however many there are."""

from typing import Any, Final, NamedTuple

from asgiref.sync import async_to_sync
from django import forms
from django.http import HttpRequest

from bridge.console.page import ConsolePage
from bridge.console.times import moment
from bridge.roles import SEES_ERRORS
from ipc.django_app.runtime import running_hub, running_redis
from ipc.hub.discovery import services_of
from ipc.protocol.discovery import ServiceInfo
from ipc.protocol.services import SERVICES, full_name, short_name
from ipc.protocol.statistics import Figures, OperationFigures, ServiceFigures
from ipc.stores.declarations import Declarations
from ipc.stores.instances import InstancePage, Instances
from ipc.stores.registry import Registration
from ipc.stores.shares import Shares

PAGE: Final = 50
WINDOW_S: Final = 300
MAX_OFFSET: Final = 1_000_000


class Row(NamedTuple):
    """A service in the list."""

    name: str
    instances: int
    figures: ServiceFigures


class ServicesPage(ConsolePage):
    """All services of the catalogue, those that are attached first."""

    template = "console/services.html"
    title = "Services"

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:  # noqa: ARG002 - no parts
        """Return a row for each service."""
        return async_to_sync(self._found)()

    @staticmethod
    async def _found() -> dict[str, Any]:
        counts = await Instances(running_redis()).counts()
        figures = await running_hub().figures.window(WINDOW_S)
        by_name = {each.service: each for each in figures.services}
        rows = [
            Row(short_name(each), counts[each], by_name.get(each, ServiceFigures(service=each))) for each in SERVICES
        ]
        attached = [row for row in rows if row.instances]
        return {
            "attached": attached,
            "absent": [row for row in rows if not row.instances],
            "instances": sum(counts.values()),
            "seconds": figures.seconds,
        }


class PageForm(forms.Form):
    """Which instances are asked for."""

    q = forms.CharField(required=False, max_length=100, label="Instance", strip=True)
    offset = forms.IntegerField(required=False, min_value=0, max_value=MAX_OFFSET)


class InstanceRow(NamedTuple):
    """An instance in the list."""

    id: str
    """The part of its name after that of the service."""
    about: Registration
    since: str
    seen: str


class ServicePage(ConsolePage):
    """One service: its operations and its instances."""

    template = "console/service.html"
    title = "Service"

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:
        """Return what is known of it.

        Raises:
            UnknownServiceError: there is no such service.

        """
        service = full_name(where["service"])
        form = PageForm(request.GET)
        context: dict[str, Any] = {"title": short_name(service), "service": short_name(service), "form": form}
        if not form.is_valid():
            return context
        text, offset = form.cleaned_data["q"], form.cleaned_data["offset"] or 0
        has_errors = request.user.has_perm(SEES_ERRORS)
        return {**context, **async_to_sync(self._found)(service, text, offset, has_errors=has_errors)}

    @staticmethod
    async def _found(service: str, text: str, offset: int, *, has_errors: bool) -> dict[str, Any]:
        redis = running_redis()
        page = await Instances(redis).page(service, offset=offset, count=PAGE, text=text)
        known = services_of([], await Shares(redis).list(), only=service, now_ms=0).services
        figures = await running_hub().figures.window(WINDOW_S)
        declared = await Declarations(redis).list(service)
        long_operations = await running_hub().operations.list(service)
        return {
            "declared": len(declared),
            "drifted": sum(each.drift.drifted > 0 for each in declared),
            "long_operations": len(long_operations),
            "long_running": sum(each.is_running for each in long_operations),
            "full_name": service,
            "figures": _of(service, figures),
            "seconds": figures.seconds,
            "operations": _operations(service, figures, known, has_errors=has_errors),
            "owners": [owner for info in known for owner in info.owners],
            "sources": [edge for edge in figures.edges if edge.target == service],
            "targets": [edge for edge in figures.edges if edge.source == service],
            "text": text,
            **_paged(page, offset),
        }


class Operation(NamedTuple):
    """An operation on a resource, as callers have found it."""

    name: str
    figures: OperationFigures | None
    last_error: str
    last_error_at: str


def _of(service: str, figures: Figures) -> ServiceFigures:
    return next((each for each in figures.services if each.service == service), ServiceFigures(service=service))


def _operations(service: str, figures: Figures, known: list[ServiceInfo], *, has_errors: bool) -> list[Operation]:
    """Return the operations that were called in the window, and those that hubs know from before."""
    recent = {each.operation: each for each in figures.operations if each.service == service}
    errors = {f"{each.resource}.{each.op}": each for info in known for each in info.endpoints}
    found = []
    for name in sorted({*recent, *errors}):
        last = errors.get(name) if has_errors else None
        text, at_ms = (last.last_error or "", last.last_error_ms) if last is not None else ("", None)
        found.append(Operation(name, recent.get(name), text, moment(at_ms) if text and at_ms else ""))
    return found


def _paged(page: InstancePage, offset: int) -> dict[str, Any]:
    rows = [
        InstanceRow(each.instance.partition(":")[2], each, moment(each.registered_ms), moment(each.last_seen_ms))
        for each in page.instances
    ]
    after = offset + PAGE
    return {
        "rows": rows,
        "total": page.total,
        "first": offset + 1,
        "last": offset + len(rows),
        "before": max(0, offset - PAGE) if offset else None,
        "after": after if after < page.total else None,
    }
