"""The dead-letter workbench: what groups have given up, with filters, and what can be done with many of them."""

from dataclasses import replace
from typing import Any, Final

from asgiref.sync import async_to_sync
from django import forms
from django.http import HttpRequest
from redis.asyncio import Redis

from bridge.console.fields import ConditionField, MomentField, PatternField, services
from bridge.console.letter_extent import extent
from bridge.console.page import ConsolePage
from bridge.console.times import moment
from ipc.django_app.runtime import running_redis
from ipc.protocol.services import short_name
from ipc.stores.dead_letter import Buried, Page
from ipc.stores.dead_letter_filter import DeadLetterFilter, LetterId
from ipc.stores.dead_letters import MAX_LOOKED, DeadLetters

COUNT: Final = 50


class FilterForm(forms.Form):
    """Which dead letters are wanted."""

    service = forms.ChoiceField(required=False, choices=services(("", "any")))
    group = forms.CharField(required=False, max_length=64)
    event = PatternField(required=False, max_length=128)
    error = forms.CharField(required=False, max_length=200, label="Error has")
    since = MomentField(required=False, max_length=64)
    until = MomentField(required=False, max_length=64)
    where = ConditionField(required=False, label="Where (JSONLex)")

    def __init__(self, data: Any) -> None:
        super().__init__(data, label_suffix="")
        hints = {"group": "notify", "event": "post:*", "error": "TimeoutError", "since": "2h", "until": "30m"}
        for name, hint in hints.items():
            self.fields[name].widget.attrs["placeholder"] = hint
        hint = '{"$gt": [{"$var": "attempts"}, 3]}'
        self.fields["where"].widget.attrs |= {"placeholder": hint, "class": "broad"}

    def wanted(self, until_ms: int | None = None) -> DeadLetterFilter:
        """Return what is asked, of what was there at a time; only of a form that is valid.

        Raises:
            BadMessageError: the group's name is wrong.

        """
        said = self.cleaned_data
        ends = [end for end in (said["until"], until_ms) if end is not None]
        wanted = DeadLetterFilter.of(
            service=said["service"] or None,
            group=said["group"] or None,
            events=[said["event"]] if said["event"] else (),
            error=said["error"],
            where=said["where"],
        )
        return replace(wanted, since_ms=said["since"] or 0, until_ms=min(ends, default=None))


class DeadLettersPage(ConsolePage):
    """The letters, by group and then oldest first; a page leads to the next."""

    template = "console/dead_letters.html"
    title = "Dead letters"
    permission = "bridge.view_event"

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:  # noqa: ARG002 - no parts
        """Return the form, the groups that have letters, and the letters that are asked for."""
        form = FilterForm(request.GET)
        context: dict[str, Any] = {
            "form": form,
            "may_redrive": request.user.has_perm("bridge.redrive_deadletter"),
            "may_discard": request.user.has_perm("bridge.discard_deadletter"),
        }
        if not form.is_valid():
            return context
        after = request.GET.get("after", "")
        found, groups = async_to_sync(_found)(running_redis(), form.wanted(), LetterId.of(after) if after else None)
        shown = {name: request.GET[name] for name in form.fields if request.GET.get(name)}
        return {
            **context,
            "groups": groups,
            "rows": [row_of(buried) for buried in found.letters],
            "older": str(found.next or ""),
            "undecided": found.undecided,
            "after": after,
            "asked": shown,
            "extent": extent(shown, groups, shown=len(found.letters), is_all=not (found.has_more or after)),
        }


def row_of(buried: Buried) -> dict[str, Any]:
    """Return what a list says about a letter."""
    letter = buried.letter
    return {
        "id": str(buried.id),
        "service": short_name(buried.id.service),
        "group": buried.id.group,
        "position": buried.id.position,
        "event": letter.event,
        "event_id": buried.content.id,
        "error": letter.error,
        "attempts": letter.attempts,
        "at": moment(letter.last_ms),
    }


async def _found(
    redis: Redis, wanted: DeadLetterFilter, after: LetterId | None
) -> tuple[Page, list[tuple[str, str, int]]]:
    letters = DeadLetters(redis)
    counts = [(short_name(service), group, count) for service, group, count in await letters.counts()]
    return await letters.find(wanted, limit=COUNT, after=after, max_looked=MAX_LOOKED), counts
