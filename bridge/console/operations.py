"""The long operations: what runs and how far it is, what has ended, and cancelling one."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from asgiref.sync import async_to_sync
from django import forms
from django.http import HttpRequest
from django.urls import reverse

from bridge.console.action import ConsoleAction, Done
from bridge.console.fields import services
from bridge.console.page import ConsolePage
from bridge.console.times import duration, moment
from bridge.roles import SEES_ERRORS
from ipc.django_app.runtime import running_hub
from ipc.hub.hub import Hub
from ipc.protocol.operations import OperationInfo
from ipc.protocol.services import short_name

COUNT: Final = 50
MAX_RUNNING: Final = 200
"""Those that run and are shown; a page keeps all of them up to date."""
MAX_OFFSET: Final = 100_000
LEVELS: Final = {"running": "", "done": "good", "failed": "bad", "cancelled": "warn", "lost": "warn"}
"""How good or bad each state is."""


class FilterForm(forms.Form):
    """Which operations are wanted; ``offset`` is where a page of those that have ended begins."""

    service = forms.ChoiceField(required=False, choices=services(("", "any")))
    state = forms.ChoiceField(required=False, choices=[("", "any"), *((each, each) for each in LEVELS)])
    offset = forms.IntegerField(required=False, min_value=0, max_value=MAX_OFFSET, widget=forms.HiddenInput)

    def __init__(self, data: Any) -> None:
        super().__init__(data, label_suffix="")

    def wants(self, info: OperationInfo) -> bool:
        """Tell whether an operation is asked for; only of a form that is valid."""
        said = self.cleaned_data
        return said["service"] in {"", info.service} and said["state"] in {"", info.status}


class OperationsPage(ConsolePage):
    """All of them, those that run first; what moves comes by the feed."""

    template = "console/operations.html"
    title = "Operations"

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:  # noqa: ARG002 - no parts
        """Return those that run, and a page of those that have ended."""
        form = FilterForm(request.GET)
        has_errors = request.user.has_perm(SEES_ERRORS)
        context: dict[str, Any] = {
            "form": form,
            "may_cancel": request.user.has_perm(CancelOperation.permission),
            "about": about(has_errors=has_errors),
        }
        if not form.is_valid():
            return context
        everything = async_to_sync(running_hub().operations.list)()
        running, ended = divided([info for info in everything if form.wants(info)])
        offset = form.cleaned_data["offset"] or 0
        after = offset + COUNT
        return {
            **context,
            "has_any": bool(everything),
            "asked": {name: form.cleaned_data[name] for name in ("service", "state")},
            "running": rows(running[:MAX_RUNNING], has_errors=has_errors),
            "more": len(running[MAX_RUNNING:]),
            "ended": rows(ended[offset:after], has_errors=has_errors),
            "total": len(ended),
            "offset": offset,
            "first": offset + 1,
            "last": min(after, len(ended)),
            "count": COUNT,
            "before": max(0, offset - COUNT) if offset else None,
            "after": after if after < len(ended) else None,
        }


class OperationPage(ConsolePage):
    """One operation, and the question whether it shall be cancelled."""

    template = "console/operation.html"
    title = "Operation"

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:
        """Return how it is.

        Raises:
            NotFoundError: there is none.

        """
        info = async_to_sync(running_hub().operations.get)(where["operation"])
        has_errors = request.user.has_perm(SEES_ERRORS)
        (row,) = rows([info], has_errors=has_errors)
        return {
            "title": f"Operation {info.name} of {row['service']}",
            "info": info,
            "row": row,
            "instance": info.instance.partition(":")[2],
            "may_cancel": request.user.has_perm(CancelOperation.permission),
            "about": about(has_errors=has_errors),
        }


class CancelOperation(ConsoleAction):
    """Ends an operation, whichever hub its service is attached to; the hub writes it down."""

    permission = "bridge.cancel_operation"
    action = "operation.cancel"
    back = "admin:console_operations"

    async def act(self, request: HttpRequest, *, by: str, **where: Any) -> Done:  # noqa: ARG002 - nothing is asked
        """Cancel it.

        Raises:
            NotFoundError: there is none.
            ConflictError: it has ended.
            UnavailableError: the mesh is out of reach.

        """
        info = await running_hub().operations.cancel(where["operation"], by=by)
        message = f"The operation {info.name} of {short_name(info.service)} is cancelled, and its service is told"
        return Done(message, subject=info.id, is_written=True)


async def operations_now(hub: Hub, *, has_errors: bool = False) -> dict[str, Any]:
    """Return the operations that run, and those that have ended last.

    Raises:
        UnavailableError: Redis is out of reach.

    """
    running, ended = divided(await hub.operations.list())
    return {
        "running": rows(running[:MAX_RUNNING], has_errors=has_errors),
        "more": len(running[MAX_RUNNING:]),
        "ended": rows(ended[:COUNT], has_errors=has_errors),
    }


operations_in_full_now: Final = partial(operations_now, has_errors=True)
"""With what those have raised that have failed."""


def about(*, has_errors: bool) -> str:
    """Return the topic of the feed that has what a page has."""
    return "operations-in-full" if has_errors else "operations"


def divided(found: Sequence[OperationInfo]) -> tuple[list[OperationInfo], list[OperationInfo]]:
    """Return those that run, the newest first, and the others, those that were heard of last first."""
    running = [info for info in found if info.is_running]
    ended = sorted((info for info in found if not info.is_running), key=lambda info: (-info.updated_ms, info.id))
    return running, ended


def rows(found: Sequence[OperationInfo], *, has_errors: bool) -> list[dict[str, Any]]:
    """Return operations as values that JSON has, for the page and for the script that keeps it up to date."""
    now_ms = time.time_ns() // 1_000_000
    return [_row(info if has_errors else info.without_failure, now_ms) for info in found]


def _row(info: OperationInfo, now_ms: int) -> dict[str, Any]:
    is_open = info.status in {"running", "lost"}
    silent = duration((now_ms - info.updated_ms) / 1000)
    until_ms = now_ms if info.is_running else info.updated_ms
    percent = f"{info.percent:g} %"
    return {
        "id": info.id,
        "name": info.name,
        "service": short_name(info.service),
        "target": short_name(info.target) if info.target is not None else "",
        "status": info.status,
        "level": LEVELS[info.status],
        "percent": percent,
        "value": f"{info.percent:g}",
        "said": f"{percent}, {info.text}" if info.text else percent,
        "done": f"{info.done:g} of {info.total:g}",
        "text": info.text,
        "error": info.error or "",
        "begun": moment(info.begun_ms),
        "news": f"{silent} ago" if is_open else moment(info.updated_ms),
        "took": duration((until_ms - info.begun_ms) / 1000),
        "isOpen": is_open,
        "link": reverse("admin:console_operation", args=[info.id]),
    }
