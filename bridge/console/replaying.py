"""What operators do with replays: begin one, go on with it step by step, and end it."""

import time
from typing import Any

import msgspec
from django.http import HttpRequest

from bridge.console.action import ConsoleAction, Done
from bridge.console.filled import filled
from bridge.console.groups import ReplayForm
from ipc.django_app.runtime import running_redis
from ipc.protocol.retry import check_group
from ipc.protocol.services import full_name
from ipc.stores.audit import Audit
from ipc.stores.replay_span import Span
from ipc.stores.replays import Replay, Replays, State


class BeginReplay(ConsoleAction):
    """Write down that a part of a log is to come again; the page then asks for each step."""

    permission = "bridge.replay_log"
    action = "replay.begin"
    back = "admin:console_groups"

    async def act(self, request: HttpRequest, *, by: str, **where: Any) -> Done:
        """Begin."""
        service, group = full_name(where["service"]), check_group(where["group"])
        said = filled(ReplayForm(service, request.POST)).cleaned_data
        span = Span.of(service, **said, now_ms=time.time_ns() // 1_000_000)
        replay = await Replays(running_redis()).begin(service, group, span, by=by)
        told = {name: getattr(replay, name) for name in ("id", "log", "first", "last", "pattern", "most", "again")}
        return Done(f"the replay into {group} has begun", f"{service}/{group}", told, _told(replay))


class StepReplay(ConsoleAction):
    """Go on for a step; what ends with it is written down."""

    permission = "bridge.replay_log"
    action = "replay.done"
    back = "admin:console_groups"

    async def act(self, request: HttpRequest, *, by: str, **where: Any) -> Done:
        """Go on."""
        service, group = full_name(where["service"]), check_group(where["group"])
        replay = await Replays(running_redis()).step(service, group, request.POST.get("id", ""))
        if replay.state is State.DONE:
            told = {"id": replay.id, "moved": replay.moved, "looked": replay.looked}
            await Audit(running_redis()).write(self.action, by=by, subject=f"{service}/{group}", details=told)
        said = f"{replay.moved} of {replay.looked} events that were looked at come again"
        return Done(said, f"{service}/{group}", data=_told(replay), is_written=True)


class CancelReplay(ConsoleAction):
    """End a replay where it is."""

    permission = "bridge.replay_log"
    action = "replay.cancel"
    back = "admin:console_groups"

    async def act(self, request: HttpRequest, *, by: str, **where: Any) -> Done:  # noqa: ARG002 - written down by its caller
        """End it."""
        service, group = full_name(where["service"]), check_group(where["group"])
        replay = await Replays(running_redis()).cancel(service, group, request.POST.get("id", ""))
        told = {"id": replay.id, "moved": replay.moved}
        return Done(f"the replay has ended after {replay.moved} events", f"{service}/{group}", told, _told(replay))


def _told(replay: Replay) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(replay)
    return {**told, "share": round(replay.share, 4)}
