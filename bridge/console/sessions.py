"""One session: what it is, hears and may do, and disconnecting it."""

import asyncio
import json
import time
from typing import Any, Final, NamedTuple

from asgiref.sync import async_to_sync
from django import forms
from django.http import HttpRequest

from bridge.console.action import ConsoleAction, Done
from bridge.console.filled import filled
from bridge.console.page import ConsolePage
from bridge.console.stream import Said, StreamView, Tell
from bridge.console.times import duration, moment
from ipc.django_app.conf import conf
from ipc.django_app.runtime import running_hub, running_redis
from ipc.hub.hub import Hub
from ipc.protocol import codec
from ipc.protocol.codes import ErrorCode
from ipc.protocol.discovery import Hearing
from ipc.protocol.errors import IPCError
from ipc.protocol.services import full_name, short_name
from ipc.stores.instances import Instances
from ipc.stores.rate_limit import Budget, RateLimits
from ipc.stores.registry import Registration

CLOSED_WITHIN_S: Final = 2.0
LOOK_S: Final = 0.05
MAX_REASON: Final = 80


class Hears(NamedTuple):
    """What a session hears, as the page shows it."""

    patterns: str
    group: str
    credit: int
    where: str
    select: str
    is_cut: bool


class SessionPage(ConsolePage):
    """One session, by its service and the rest of the instance's name."""

    template = "console/session.html"
    title = "Session"

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:
        """Return what is known of it.

        Raises:
            UnknownServiceError: there is no such service.

        """
        service, instance = full_name(where["service"]), where["instance"]
        name = f"{service}:{instance}"
        context = {
            "title": f"{short_name(service)} {instance}",
            "name": name,
            "service": short_name(service),
            "instance": instance,
            "may_disconnect": request.user.has_perm(DisconnectAction.permission),
            "max_reason": MAX_REASON,
        }
        return {**context, **async_to_sync(self._found)(name)}

    @staticmethod
    async def _found(name: str) -> dict[str, Any]:
        redis = running_redis()
        about = await Instances(redis).get(name)
        if about is None:
            return {"about": None}
        now_ms = time.time_ns() // 1_000_000
        return {
            "about": about,
            "since": moment(about.registered_ms),
            "uptime": duration((now_ms - about.registered_ms) / 1000),
            "active": duration((now_ms - about.last_activity_ms) / 1000),
            "hears": [_hears(each) for each in about.hears],
            "budget": await _budget(about),
        }


def _hears(hearing: Hearing) -> Hears:
    where, select = (
        "" if each is None else json.dumps(each, indent=2, ensure_ascii=False)
        for each in (hearing.where, hearing.select)
    )
    return Hears(", ".join(hearing.events), hearing.group, hearing.credit, where, select, hearing.is_cut)


async def _budget(about: Registration) -> dict[str, Any] | None:
    """Return what its service may still send, None where that is not limited."""
    if not conf.rate_limit:
        return None
    budget = Budget.of(about.service, running_hub().limits, is_exempt=about.is_rate_exempt)
    (found,) = await RateLimits(running_redis()).look([budget])
    return {
        "left": budget.remaining(found),
        "maximum": budget.maximum,
        "window": duration(budget.window_ms / 1000),
    }


class SessionFeed(StreamView):
    """Whether a session is still there, for its page."""

    def teller(self, request: HttpRequest, hub: Hub, **where: Any) -> Tell:  # noqa: ARG002 - the registry is in Redis
        """Return what says the id of the session that the instance has now.

        Raises:
            UnknownServiceError: there is no such service.
            UnavailableError: this process has joined no mesh.

        """
        instances, name = Instances(running_redis()), instance_name(where)

        async def tell() -> Said:
            about = await instances.get(name)
            return Said(codec.encode_json({"session": about.session if about is not None else None}))

        return tell


class DisconnectForm(forms.Form):
    """Which session of the instance is meant, why, and whether it may come back."""

    session = forms.CharField(max_length=64)
    reason = forms.CharField(max_length=MAX_REASON)
    may_return = forms.BooleanField(required=False)


class DisconnectAction(ConsoleAction):
    """Closes a session, whichever hub has it."""

    permission = "bridge.disconnect_session"
    action = "session.disconnect"

    async def act(self, request: HttpRequest, *, by: str, **where: Any) -> Done:  # noqa: ARG002 - written by the base
        """Ask all hubs, and wait for a moment until it is gone.

        Raises:
            BadMessageError: the form is not filled in, or the instance has another session by now.
            UnavailableError: the mesh is out of reach.

        """
        name = instance_name(where)
        said = filled(DisconnectForm(request.POST)).cleaned_data
        about = await Instances(running_redis()).get(name)
        if about is None or about.session != said["session"]:
            raise IPCError(f"{name} has left, or is back on another session", code=ErrorCode.CONFLICT)
        await running_hub().disconnects.ask(about.session, reason=said["reason"], may_return=said["may_return"])
        outcome = "is disconnected" if await _is_gone(about) else "was asked to be disconnected, and is still there"
        details = {
            "session": about.session,
            "reason": said["reason"],
            "mayReturn": said["may_return"],
            "hub": about.hub,
        }
        return Done(f"{name} {outcome}", subject=name, details=details)


def instance_name(where: dict[str, Any]) -> str:
    """Return the name of the instance that the parts of an address are about.

    Raises:
        UnknownServiceError: there is no such service.

    """
    return f"{full_name(where['service'])}:{where['instance']}"


async def _is_gone(about: Registration) -> bool:
    instances, until = Instances(running_redis()), time.monotonic() + CLOSED_WITHIN_S
    while time.monotonic() < until:
        now = await instances.get(about.instance)
        if now is None or now.session != about.session:
            return True
        await asyncio.sleep(LOOK_S)
    return False
