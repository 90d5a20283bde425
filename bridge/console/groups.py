"""The durable groups: a list of all of them, and the page of one, with what is pending and its replays."""

from typing import Any, Final, NamedTuple

from asgiref.sync import async_to_sync
from django import forms
from django.http import HttpRequest
from redis.asyncio import Redis

from bridge.console.event_rows import event_link
from bridge.console.fields import PatternField
from bridge.console.page import ConsolePage
from bridge.console.people import name_of
from bridge.console.times import moment
from bridge.roles import SEES_ERRORS
from ipc.django_app.runtime import running_redis
from ipc.protocol.codes import ErrorCode
from ipc.protocol.delivery_status import Definition
from ipc.protocol.errors import BadMessageError
from ipc.protocol.positions import check_position
from ipc.protocol.retry import check_group
from ipc.protocol.routing import BROADCAST
from ipc.protocol.services import full_name, short_name
from ipc.stores.group_definitions import GroupDefinitions
from ipc.stores.group_details import GroupDetails, PendingEntry, group_details, pending_entries
from ipc.stores.group_states import GroupState, GroupStates
from ipc.stores.replay_span import MAX_REPLAYED
from ipc.stores.replays import Replay, Replays

PENDING: Final = 25


class GroupRow(NamedTuple):
    """A group as the list shows it."""

    state: GroupState
    definition: Definition | None
    short: str


class GroupsPage(ConsolePage):
    """All groups."""

    template = "console/groups.html"
    title = "Groups"

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:  # noqa: ARG002 - nothing is asked
        """Return them, by service and name."""
        return {"rows": async_to_sync(_rows)(running_redis())}


class ReplayForm(forms.Form):
    """Which part of a log is to come again."""

    log = forms.ChoiceField()
    first = forms.CharField(max_length=64, label="From", help_text="2026-11-23T14:30, 2h ago as 2h, or a position.")
    last = forms.CharField(max_length=64, required=False, label="To", help_text="Nothing is up to now.")
    pattern = PatternField(max_length=128, initial="*", help_text="Of what the group wants, only these.")
    most = forms.IntegerField(min_value=1, max_value=MAX_REPLAYED, initial=1_000, label="At most")
    again = forms.BooleanField(
        required=False,
        label="Handle again",
        help_text="Also what a group with once has handled within a day; else it is spared.",
    )

    def __init__(self, service: str, given: Any = None) -> None:
        super().__init__(given, label_suffix="")
        choices = self.fields["log"]
        choices.choices = [(BROADCAST, BROADCAST), (service, service)]  # type: ignore[attr-defined]  # of a ChoiceField
        self.fields["first"].widget.attrs["placeholder"] = "1h"


class GroupPage(ConsolePage):
    """One group."""

    template = "console/group.html"
    title = "Group"

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:
        """Return how it is doing, and a page of what is pending in one of its logs."""
        service, group = full_name(where["service"]), check_group(where["group"])
        log, after = request.GET.get("log", ""), request.GET.get("after", "")
        found = async_to_sync(_group)(running_redis(), service, group, log, check_position(after) if after else "")
        return {
            "title": f"Group {short_name(service)}/{group}",
            "service": service,
            "group": group,
            "state": found.state,
            "details": found.details,
            "log": found.log,
            "pending": [_pending(entry, request) for entry in found.pending[:PENDING]],
            "older": found.pending[PENDING - 1].position if len(found.pending) > PENDING else "",
            "after": after,
            "replay": found.replay,
            "replay_by": name_of(found.replay.by) if found.replay is not None else "",
            "replay_began": moment(found.replay.began_ms) if found.replay is not None else None,
            "may_replay": request.user.has_perm("bridge.replay_log"),
            "form": ReplayForm(service),
        }


class _Group(NamedTuple):
    state: GroupState | None
    details: GroupDetails
    log: str
    pending: list[PendingEntry]
    replay: Replay | None


async def _rows(redis: Redis) -> list[GroupRow]:
    states = await GroupStates(redis).list()
    wanted = await GroupDefinitions(redis).definitions([f"{state.service}/{state.group}" for state in states])
    return [
        GroupRow(state, max(definitions, default=None), short_name(state.service))
        for state, definitions in zip(states, wanted, strict=True)
    ]


async def _group(redis: Redis, service: str, group: str, log: str, after: str) -> _Group:
    details = await group_details(redis, service, group)
    if not details.parts:
        raise BadMessageError(
            f"there is no group {group} of {service}: it was forgotten, or never was", code=ErrorCode.NOT_FOUND
        )
    logs = [part.log for part in details.parts]
    fullest = max(details.parts, key=lambda part: part.pending).log
    chosen = log if log in logs else fullest
    states = [state for state in await GroupStates(redis).list() if (state.service, state.group) == (service, group)]
    pending = await pending_entries(redis, service, group, chosen, count=PENDING + 1, after=after)
    return _Group(next(iter(states), None), details, chosen, pending, await Replays(redis).latest(service, group))


def _pending(entry: PendingEntry, request: HttpRequest) -> dict[str, Any]:
    may_look = request.user.has_perm(SEES_ERRORS)
    link = event_link(entry.head.id, entry.log, entry.position) if may_look and entry.head is not None else ""
    note = entry.note if entry.note is not None and entry.note.attempt == entry.attempts else None
    return {
        "entry": entry,
        "link": link,
        "idle_s": entry.idle_ms / 1000,
        "note": note,
        "error": note.error if note is not None and may_look else "",
        "next": moment(note.next_ms) if note is not None and note.next_ms is not None else None,
    }
