"""Trying an event: who would get it, without emitting it, or emitting it as the bridge, marked as a test."""

from typing import Any

from asgiref.sync import async_to_sync
from django import forms
from django.http import HttpRequest
from msgspec import Raw

from bridge.console.event_rows import event_link
from bridge.console.fields import EventField, JSONField
from bridge.console.form_page import FormPage
from bridge.console.permitted import operator_of
from ipc.django_app.runtime import running_hub, running_redis
from ipc.hub.emitting import Emitted, emit_as
from ipc.protocol.discovery import SOURCE
from ipc.protocol.explanation import Explanation
from ipc.protocol.messages import Emit
from ipc.protocol.permissions import USUAL
from ipc.stores.audit import Audit

META = Raw(b'{"test":true}')
"""How a handler tells an event of the console from one of a service."""


class EmitForm(forms.Form):
    """An event."""

    event = EventField(max_length=128)
    target = forms.CharField(
        required=False, max_length=1_000, help_text="Names of services, divided by commas; none is all."
    )
    payload = JSONField(label="Data (JSON)", required=False)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["event"].widget.attrs["placeholder"] = "post:created"
        self.fields["target"].widget.attrs["placeholder"] = "herald, spark"
        self.fields["payload"].widget.attrs["placeholder"] = '{"id": 1}'

    def clean_target(self) -> list[str] | None:
        """Return the targets, or None for all."""
        names = [name.strip() for name in self.cleaned_data["target"].split(",")]
        return [name for name in names if name] or None


class EmitPage(FormPage):
    """The form, and who would get the event, or where it is now."""

    template = "console/emit.html"
    title = "Test event"
    permission = "bridge.emit_event"
    form_class = EmitForm

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:
        """Return the form, with what the address says of it."""
        context = super().context_of(request, **where)
        context["form"].initial = {name: request.GET[name] for name in ("event", "target") if name in request.GET}
        return context

    def outcome(self, request: HttpRequest, said: dict[str, Any], **where: Any) -> dict[str, Any]:  # noqa: ARG002 - no parts
        """Emit the event if that was asked for, and say who would get it."""
        by = operator_of(request) if "emit" in request.POST else ""
        emitted, explanation = async_to_sync(_carried_out)(said, by)
        link = ""
        if emitted is not None:
            log, position = next(iter(emitted.positions.items()))
            link = event_link(emitted.id, log, position)
        return {"emitted": emitted, "link": link, "explanation": explanation}


async def _carried_out(said: dict[str, Any], by: str) -> tuple[Emitted | None, Explanation]:
    hub = running_hub()
    target, data = said["target"], Raw((said["payload"] or "null").encode())
    await hub.described()
    explanation = await hub.explainer.explain(said["event"], data, target=target, meta=META, source=SOURCE)
    if not by:
        return None, explanation
    message = Emit(event=said["event"], data=data, target=target, meta=META)
    (outcome,) = await emit_as(hub, SOURCE, frozenset(USUAL), [message])
    if not isinstance(outcome, Emitted):
        raise outcome
    told = {"id": outcome.id, "target": target or "broadcast"}
    await Audit(running_redis()).write("event.test", by=by, subject=said["event"], details=told)
    return outcome, explanation
