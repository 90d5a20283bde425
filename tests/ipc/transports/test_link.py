"""A session that is kept up: what it does when the other end, which is the test, does its worst."""

import asyncio

import pytest

from ipc.protocol.errors import (
    ConnectionClosedError,
    DeadlineError,
    ForbiddenError,
    IPCError,
    UnknownTargetError,
)
from ipc.protocol.messages import Emit
from ipc.transports import link as link_module
from ipc.transports.link import Link
from tests.ipc.peers import GUARD_S
from tests.ipc.transports.conftest import MakeLink, Slept
from tests.ipc.transports.scripted import RecordingListener, ScriptedTransport, event, up

pytestmark = pytest.mark.usefixtures("slept")


async def ended(task: "asyncio.Task[None]") -> BaseException | None:
    async with asyncio.timeout(GUARD_S):
        await asyncio.wait([task])
    return task.exception()


def emit(request_id: str = "n-1") -> Emit:
    return Emit(id=request_id, event="post:created", ack=True)


# Coming up and coming back


async def test_it_subscribes_once_it_is_welcomed(
    make_link: MakeLink, transport: ScriptedTransport, listener: RecordingListener
) -> None:
    link = make_link("post:*", "user:updated")
    subscribe = await transport.hears("subscribe")
    assert (subscribe["events"], "since" in subscribe) == (["post:*", "user:updated"], False)
    assert not link.is_up
    transport.say({"type": "ok", "id": subscribe["id"], "positions": {"broadcast": "7-0"}}, event(8))
    await up(link)
    assert await listener.until_numbers(1) == [8]
    assert (listener.sessions, link.positions) == (["s1"], {"broadcast": "8-0"})


async def test_it_is_up_without_a_subscription_when_it_wants_nothing(
    make_link: MakeLink, transport: ScriptedTransport
) -> None:
    await up(make_link())
    assert transport.said.empty()


async def test_it_comes_back_and_resumes_from_the_last_event(
    link: Link, transport: ScriptedTransport, listener: RecordingListener
) -> None:
    """In each log from its own position; what a replay brings again is passed over."""
    transport.say(event(1), event(2), event(5, log="exprsn-herald"))
    await listener.until_numbers(3)
    transport.lose()
    assert isinstance((await listener.until_failures(1))[0], ConnectionClosedError)
    subscribe = await transport.subscribes()
    assert subscribe["since"] == {"broadcast": "2-0", "exprsn-herald": "5-0"}
    transport.say(event(1), event(2), event(3), event(5, log="exprsn-herald"))
    assert await listener.until_numbers(4) == [1, 2, 5, 3]
    await up(link)
    assert listener.sessions == ["s1", "s2"]


async def test_a_heartbeat_is_answered_and_moves_the_position(
    link: Link, transport: ScriptedTransport, listener: RecordingListener
) -> None:
    """So that a quiet subscriber does not resume from far behind; it never moves it back."""
    transport.say(event(3))
    transport.say({"type": "ping", "sent": 512, "positions": {"broadcast": "9-0", "exprsn-herald": "0-0"}})
    assert (await transport.hears("pong"))["sent"] == 512
    transport.say({"type": "ping", "sent": 600, "positions": {"broadcast": "4-0"}})
    await transport.hears("pong")
    transport.lose()
    assert (await transport.subscribes())["since"] == {"broadcast": "9-0", "exprsn-herald": "0-0"}


async def test_what_cannot_be_recovered_is_told_and_left_behind(
    link: Link, transport: ScriptedTransport, listener: RecordingListener
) -> None:
    """The first event after the gap may be in the same frame, also behind the position that was asked for."""
    transport.say(event(50))
    await listener.until_numbers(1)
    transport.lose()
    subscribe = await transport.hears("subscribe")
    reasons = {"broadcast": "unknown_position"}
    positions = {"broadcast": "20-0", "exprsn-herald": "0-0"}
    transport.say(
        {"type": "ok", "id": subscribe["id"], "positions": positions, "recovered": False, "reasons": reasons}, event(21)
    )
    assert await listener.until_numbers(2) == [50, 21]
    assert listener.reasons == [reasons]
    transport.lose()
    assert (await transport.subscribes())["since"]["broadcast"] == "21-0"


@pytest.mark.parametrize("code", [4400, 4401, 4403, 4404, 4413, 4430, 1008])
async def test_a_code_that_says_do_not_come_back_ends_it(
    link: Link,
    transport: ScriptedTransport,
    listener: RecordingListener,
    running: list["asyncio.Task[None]"],
    code: int,
) -> None:
    transport.lose(code, "no")
    error = await ended(running[0])
    assert isinstance(error, ConnectionClosedError)
    assert (error.close_code, transport.connections, link.is_up) == (code, 1, False)
    assert listener.failures == [error.__cause__]
    assert not error.retryable


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 1012, 4408, 4429, 4500, 4503])
async def test_any_other_code_makes_it_come_back(link: Link, transport: ScriptedTransport, code: int) -> None:
    transport.lose(code, "later")
    await transport.subscribes()
    await up(link)
    assert transport.connections == 2


async def test_a_bridge_that_is_not_there_is_tried_again(
    make_link: MakeLink, transport: ScriptedTransport, running: list["asyncio.Task[None]"]
) -> None:
    transport.refusals = [ConnectionClosedError(1006, "cannot be reached") for _ in range(5)]
    link = make_link("post:*")
    await transport.subscribes()
    await up(link)
    assert transport.connections == 6


async def test_a_transport_that_can_never_connect_ends_it(
    make_link: MakeLink, transport: ScriptedTransport, running: list["asyncio.Task[None]"]
) -> None:
    """Such as one with a CA file that is not there."""
    transport.refusals = [UnknownTargetError("no such CA file")]
    make_link("post:*")
    assert isinstance(await ended(running[0]), UnknownTargetError)


async def test_a_refused_handshake_ends_with_the_code_that_follows_it(
    make_link: MakeLink, transport: ScriptedTransport, running: list["asyncio.Task[None]"]
) -> None:
    transport.first_frames = ['{"type":"error","code":"FORBIDDEN","message":"not you"}']
    make_link("post:*")
    await transport.connected.wait()
    transport.lose(4403, "not you")
    error = await ended(running[0])
    assert isinstance(error, ConnectionClosedError)
    assert error.close_code == 4403


@pytest.mark.parametrize("frame", ['{"type":"ok"}', '{"type":"novelty"}', "nonsense", '{"type":"pong"}\n{"type":"ok"}'])
async def test_a_first_frame_that_is_no_welcome_is_a_lost_connection(
    make_link: MakeLink, transport: ScriptedTransport, frame: str
) -> None:
    transport.first_frames = [frame]
    link = make_link("post:*")
    await transport.subscribes()
    await up(link)
    assert transport.connections == 2


async def test_a_frame_that_is_not_understood_is_a_lost_connection(link: Link, transport: ScriptedTransport) -> None:
    transport.say_raw("nonsense")
    await transport.subscribes()
    await up(link)
    assert transport.connections == 2


async def test_messages_of_a_later_version_are_passed_over(
    link: Link, transport: ScriptedTransport, listener: RecordingListener
) -> None:
    transport.say({"type": "novelty"}, event(1), {"type": "notice", "notice": "rate_warning"})
    assert await listener.until_numbers(1) == [1]


async def test_a_subscription_that_is_refused_for_good_ends_it(
    make_link: MakeLink, transport: ScriptedTransport, running: list["asyncio.Task[None]"]
) -> None:
    make_link("post:*")
    subscribe = await transport.hears("subscribe")
    transport.say({"type": "error", "id": subscribe["id"], "code": "FORBIDDEN", "message": "not you"})
    assert isinstance(await ended(running[0]), ForbiddenError)


async def test_a_subscription_that_cannot_be_made_now_is_tried_again(
    make_link: MakeLink, transport: ScriptedTransport
) -> None:
    """As while Redis is away, on a connection of its own each time."""
    link = make_link("post:*")
    for _ in range(3):
        subscribe = await transport.hears("subscribe")
        transport.say({"type": "error", "id": subscribe["id"], "code": "UNAVAILABLE", "message": "no Redis"})
    await transport.subscribes()
    await up(link)
    assert transport.connections == 4


# How long it waits


async def test_the_delay_that_a_draining_bridge_asks_for_is_kept(
    link: Link, transport: ScriptedTransport, slept: Slept
) -> None:
    transport.lose(4503, "draining, reconnect in 1234 ms")
    await transport.subscribes()
    assert slept.delays == [1.234]


async def test_the_delay_may_also_come_in_the_notice_only(
    link: Link, transport: ScriptedTransport, slept: Slept
) -> None:
    """Not every server passes the reason of a close frame on."""
    transport.say({"type": "notice", "notice": "draining", "retry_after_ms": 777})
    transport.lose(4503, "")
    await transport.subscribes()
    assert slept.delays == [0.777]
    transport.lose(4500, "")
    await transport.subscribes()
    assert slept.delays[1] < 0.5


async def test_a_bridge_that_closes_again_at_once_is_asked_less_and_less_often(
    link: Link, transport: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []

    def backoff(attempt: int) -> float:
        attempts.append(attempt)
        return 0.0

    monkeypatch.setattr(link_module, "backoff_s", backoff)
    for _ in range(4):
        transport.lose(4500, "again")
        await transport.subscribes()
        await up(link)
    assert attempts == [1, 2, 3, 4]
    monkeypatch.setattr(link_module, "STEADY_S", -1.0)
    transport.lose(4500, "after a long time")
    await transport.subscribes()
    assert attempts[-1] == 0


# Requests


async def test_a_request_is_answered(link: Link, transport: ScriptedTransport) -> None:
    request = asyncio.create_task(link.request(emit()))
    assert (await transport.hears("emit"))["id"] == "n-1"
    transport.say({"type": "ok", "id": "n-1", "position": "5-0"})
    assert (await request).position == "5-0"


async def test_a_request_that_is_refused_says_why(link: Link, transport: ScriptedTransport) -> None:
    request = asyncio.create_task(link.request(emit()))
    await transport.hears("emit")
    transport.say({"type": "error", "id": "n-1", "code": "FORBIDDEN", "message": "not you"})
    with pytest.raises(ForbiddenError, match="not you"):
        await request


@pytest.mark.parametrize("code", ["UNAVAILABLE", "TIMEOUT", "INTERNAL", "DRAINING"])
async def test_a_request_that_may_be_tried_again_is(link: Link, transport: ScriptedTransport, code: str) -> None:
    """With the same id, so that an event that was appended after all is not appended twice."""
    request = asyncio.create_task(link.request(emit()))
    for _ in range(3):
        assert (await transport.hears("emit"))["id"] == "n-1"
        transport.say({"type": "error", "id": "n-1", "code": code, "message": "later"})
    await transport.hears("emit")
    transport.say({"type": "ok", "id": "n-1", "position": "5-0"})
    assert (await request).position == "5-0"


async def test_a_request_survives_lost_connections(link: Link, transport: ScriptedTransport) -> None:
    request = asyncio.create_task(link.request(emit()))
    for _ in range(3):
        assert (await transport.hears("emit"))["id"] == "n-1"
        transport.lose()
        await transport.subscribes()
    await transport.hears("emit")
    transport.say({"type": "ok", "id": "n-1", "position": "5-0"})
    assert (await request).position == "5-0"


async def test_a_request_waits_for_the_first_connection(make_link: MakeLink, transport: ScriptedTransport) -> None:
    link = make_link("post:*")
    request = asyncio.create_task(link.request(emit()))
    await transport.subscribes()
    await transport.hears("emit")
    transport.say({"type": "ok", "id": "n-1", "position": "5-0"})
    assert (await request).position == "5-0"


async def test_a_request_gives_up_in_time_and_says_what_it_waited_for(
    make_link: MakeLink, transport: ScriptedTransport
) -> None:
    link = make_link("post:*")
    with pytest.raises(DeadlineError, match=r"no answer within 0\.01 s: there is no connection"):
        await link.request(emit(), timeout_s=0.01)
    await transport.subscribes()
    await up(link)
    request = asyncio.create_task(link.request(emit(), timeout_s=0.05))
    await transport.hears("emit")
    transport.say({"type": "error", "id": "n-1", "code": "UNAVAILABLE", "message": "no Redis here"})
    with pytest.raises(DeadlineError, match="no Redis here"):
        await request


async def test_an_answer_that_comes_too_late_disturbs_nobody(
    link: Link, transport: ScriptedTransport, listener: RecordingListener
) -> None:
    with pytest.raises(DeadlineError):
        await link.request(emit("late"), timeout_s=0.01)
    transport.say({"type": "ok", "id": "late", "position": "5-0"}, event(1))
    assert await listener.until_numbers(1) == [1]
    assert listener.failures == []


async def test_an_error_for_nobody_is_told(
    link: Link, transport: ScriptedTransport, listener: RecordingListener
) -> None:
    transport.say({"type": "error", "code": "INVALID_MESSAGE", "message": "what?"})
    (error,) = await listener.until_failures(1)
    assert isinstance(error, IPCError)
    assert error.message == "what?"


async def test_what_was_asked_before_it_leaves_is_sent(link: Link, transport: ScriptedTransport) -> None:
    asking = [asyncio.create_task(link.request(emit(f"n-{number}"))) for number in range(3)]
    await asyncio.sleep(0)
    await link.close()
    assert [(await transport.hears("emit"))["id"] for _ in range(3)] == ["n-0", "n-1", "n-2"]
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)
