"""What services have declared of their events, and whether what they emit still fits it."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlencode

from asgiref.sync import async_to_sync
from django import forms
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from bridge.console.event_rows import json_text
from bridge.console.fields import PatternField, services
from bridge.console.page import ConsolePage
from bridge.console.times import moment
from ipc.django_app.runtime import running_redis
from ipc.protocol.codes import ErrorCode
from ipc.protocol.declarations import DeclaredEvent
from ipc.protocol.errors import IPCError
from ipc.protocol.patterns import compile_pattern
from ipc.protocol.services import full_name, short_name
from ipc.stores.declarations import Declarations

COUNT: Final = 50
MAX_OFFSET: Final = 100_000
DOCUMENTS: Final = (("AsyncAPI of the mesh", "asyncapi"), ("OpenAPI of this service", "docs"))
"""What describes the same for other tools, by the names of their addresses; Timeline has no AsyncAPI."""


class FilterForm(forms.Form):
    """Which events are wanted."""

    service = forms.ChoiceField(required=False, choices=services(("", "any")))
    event = PatternField(required=False, max_length=128)
    fits = forms.ChoiceField(required=False, choices=[("", "any"), ("no", "not always")], label="Data fits")
    offset = forms.IntegerField(required=False, min_value=0, max_value=MAX_OFFSET, widget=forms.HiddenInput)

    def __init__(self, data: Any) -> None:
        super().__init__(data, label_suffix="")
        self.fields["event"].widget.attrs["placeholder"] = "post:*"

    def chosen(self, declared: Sequence[DeclaredEvent]) -> list[DeclaredEvent]:
        """Return what is asked for, what has drifted first; only of a form that is valid."""
        said = self.cleaned_data
        is_meant = compile_pattern(said["event"]) if said["event"] else None
        found = [
            each
            for each in declared
            if said["service"] in {"", each.service}
            and (is_meant is None or is_meant(each.declaration.event))
            and (not said["fits"] or each.drift.drifted)
        ]
        return sorted(found, key=lambda each: (-(each.drift.last_ms or 0), each.service, each.declaration.event))


class CataloguePage(ConsolePage):
    """All declared events, with how many of those that were looked at fitted."""

    template = "console/catalogue.html"
    title = "Catalogue"

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:  # noqa: ARG002 - no parts
        """Return a page of the events that are asked for."""
        form = FilterForm(request.GET)
        context: dict[str, Any] = {"form": form, "documents": _documents()}
        if not form.is_valid():
            return context
        declared = async_to_sync(Declarations(running_redis()).list)()
        chosen = form.chosen(declared)
        offset = form.cleaned_data["offset"] or 0
        after = offset + COUNT
        return {
            **context,
            "rows": [row_of(each) for each in chosen[offset:after]],
            "declared": len(declared),
            "services": len({each.service for each in declared}),
            "drifted": sum(each.drift.drifted > 0 for each in declared),
            "total": len(chosen),
            "first": offset + 1,
            "last": min(after, len(chosen)),
            "before": max(0, offset - COUNT) if offset else None,
            "after": after if after < len(chosen) else None,
        }


class DeclaredPage(ConsolePage):
    """One declared event, with its schema."""

    template = "console/declared.html"
    title = "Declared event"

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:
        """Return what its service has said of it, and how it holds to it.

        Raises:
            UnknownServiceError: there is no such service.
            IPCError: NOT_FOUND, the service has not declared it.

        """
        service, event = full_name(where["service"]), where["event"]
        declared = async_to_sync(Declarations(running_redis()).list)(service)
        found = next((each for each in declared if each.declaration.event == event), None)
        if found is None:
            raise IPCError(
                f"{service} has declared no {event[:128]}, or it was not there for a week", code=ErrorCode.NOT_FOUND
            )
        emitted = f"{reverse('admin:console_explorer')}?{urlencode({'pattern': event, 'source': short_name(service)})}"
        return {
            "title": f"Declared event {event}",
            "row": row_of(found),
            "schema": json_text(found.declaration.schema),
            "examples": [json_text(example) for example in found.declaration.examples],
            "emitted": emitted if request.user.has_perm("bridge.view_event") else "",
        }


def row_of(declared: DeclaredEvent) -> dict[str, Any]:
    """Return what a list says about a declared event."""
    drift = declared.drift
    return {
        "service": short_name(declared.service),
        "event": declared.declaration.event,
        "description": declared.declaration.description,
        "declared": moment(declared.declared_ms),
        "is_checked": declared.is_checked,
        "checked": drift.checked,
        "fitted": drift.checked - drift.drifted,
        "drifted": drift.drifted,
        "error": drift.last_error,
        "pointer": drift.last_pointer,
        "last": moment(drift.last_ms) if drift.last_ms is not None else None,
    }


def _documents() -> list[tuple[str, str]]:
    found = []
    for title, name in DOCUMENTS:
        try:
            found.append((title, reverse(name)))
        except NoReverseMatch:
            continue
    return found
