"""The audit trail as a page: who has done what to what, newest first, with filters."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from asgiref.sync import async_to_sync
from django import forms
from django.http import HttpRequest

from bridge.console.fields import MomentField
from bridge.console.page import ConsolePage
from bridge.console.people import names_of
from bridge.console.times import moment
from ipc.django_app.audit_trail import operator_name
from ipc.django_app.runtime import running_redis
from ipc.protocol import codec
from ipc.stores.audit import MAX_TEXT, Audit
from ipc.stores.audit_filter import AuditEntry, AuditFilter

COUNT: Final = 50
ACTIONS: Final = (
    "token.mint",
    "token.revoke",
    "token.refused",
    "deadletters.",
    "operation.",
    "outbox.redrive",
    "operator.speaks",
    "login",
    "login.failed",
    "login.locked",
)
TIMES: Final = ("exp", "issuedBy")
"""Those details that are Unix seconds."""


class FilterForm(forms.Form):
    """Which entries are wanted; texts are what a member begins with."""

    action = forms.CharField(required=False, max_length=MAX_TEXT)
    by = forms.CharField(required=False, max_length=MAX_TEXT)
    subject = forms.CharField(required=False, max_length=MAX_TEXT)
    since = MomentField(required=False, max_length=64)
    until = MomentField(required=False, max_length=64)
    renewals = forms.BooleanField(required=False, label="Show renewals of services")

    def __init__(self, data: Any) -> None:
        super().__init__(data, label_suffix="")
        hints = {"action": "token.", "by": "operator 1", "subject": "exprsn-herald", "since": "2h", "until": "30m"}
        for name, hint in hints.items():
            self.fields[name].widget.attrs["placeholder"] = hint
        self.fields["action"].widget.attrs["list"] = "actions"

    def wanted(self) -> AuditFilter:
        """Return what is asked; only of a form that is valid."""
        said = self.cleaned_data
        texts = {name: said[name] for name in ("action", "by", "subject")}
        return AuditFilter(**texts, since_ms=said["since"] or 0, until_ms=said["until"], has_renewals=said["renewals"])


class Row(NamedTuple):
    """An entry as the page shows it."""

    at: str
    action: str
    by: str
    subject: str
    details: list[tuple[str, str]]
    by_name: str
    subject_name: str


class AuditPage(ConsolePage):
    """The trail; a page looks at a bounded number of entries, and leads to the older ones."""

    template = "console/audit.html"
    title = "Audit trail"
    permission = "bridge.view_audit"

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:  # noqa: ARG002 - no parts
        """Return the form and the entries that it asks for."""
        form = FilterForm(request.GET)
        context: dict[str, Any] = {"form": form, "actions": ACTIONS}
        if not form.is_valid():
            return context
        after = request.GET.get("after", "")
        found = async_to_sync(Audit(running_redis()).read)(form.wanted(), count=COUNT, after=after)
        rows = _rows(found.entries)
        return {
            **context,
            "has_renewals": form.cleaned_data["renewals"],
            "rows": rows,
            "older": found.next,
            "looked": found.looked,
            "after": after,
        }


def _rows(entries: Sequence[AuditEntry]) -> list[Row]:
    # A login says who came by the key of the user alone.
    users = [operator_name(entry.subject) if entry.action == "login" else "" for entry in entries]
    names = names_of([*(entry.by for entry in entries), *users])
    return [
        Row(
            moment(entry.at_ms),
            entry.action,
            entry.by,
            entry.subject,
            list(_shown(entry.details)),
            names.get(entry.by, ""),
            names.get(user, ""),
        )
        for entry, user in zip(entries, users, strict=True)
    ]


def _shown(details: Any) -> Iterator[tuple[str, str]]:
    for name, value in details.items():
        if value is None or value is False or value in ("", []):
            continue
        if name in TIMES:
            yield name, f"{moment(int(value * 1000))} UTC"
        elif isinstance(value, list):
            yield name, ", ".join(each if isinstance(each, str) else codec.encode_json(each) for each in value)
        else:
            yield name, value if isinstance(value, str) else codec.encode_json(value)
