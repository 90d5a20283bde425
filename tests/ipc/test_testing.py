"""The bus that users test their handlers on: it does what the mesh does, at the time that a test says."""

import asyncio
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from ipc import BadMessageError, EventContext, IPCWorker, Reject, UnavailableError, UnknownServiceError
from ipc.testing import TestBus
from tests.markdown import fences

ROOT = Path(__file__).resolve().parents[2]


class Herald:
    """A worker that announces each post, once it has done what the test says."""

    def __init__(self, **options: Any) -> None:
        self.worker = IPCWorker("exprsn-herald")
        self.attempts: list[int] = []
        self.fails = 0
        self.error: Exception = ValueError("not now")
        self.goes_on = asyncio.Event()
        self.goes_on.set()

        @self.worker.on("post:created", **options)
        async def notify(post: dict[str, Any], ctx: EventContext) -> None:
            self.attempts.append(ctx.attempt)
            if ctx.attempt == 1:
                await self.goes_on.wait()
            if len(self.attempts) <= self.fails:
                raise self.error
            await self.worker.emit("notification:sent", {"postId": post["id"], "users": ["ada"]}, target="timeline")


async def created(bus: TestBus, post_id: str = "1") -> None:
    await bus.emit("post:created", {"id": post_id}, source="timeline")


# Events


async def test_what_handlers_emit_is_there_when_the_bus_has_settled() -> None:
    """Through as many workers as it takes, also when a handler waits for something outside of the bus."""
    herald, spark = Herald(), IPCWorker("spark")

    @spark.on("post:*")
    async def pass_on(post: Any, _ctx: EventContext) -> None:
        await asyncio.to_thread(lambda: None)
        await spark.emit("users:notified", post, meta={"hop": 2})

    second = IPCWorker("timeline")

    @second.on("users:notified")
    async def answer(post: Any, ctx: EventContext) -> None:
        await second.emit("chain:ended", [post["id"], ctx.meta, ctx.source], target=["spark", "herald"])

    async with TestBus() as bus:
        await bus.start(herald.worker, spark, second)
        await created(bus)
        await bus.settled()
        bus.assert_emitted("notification:sent", source="herald", target="timeline", data={"postId": "1"}, times=1)
        ended = bus.assert_emitted("chain:ended", target="spark", data=["1", {"hop": 2}, "exprsn-spark"], times=1)
        assert ended.target == ["exprsn-spark", "exprsn-herald"]
        assert bus.emitted()[0].event == "post:created"
        assert len(bus.emitted()) == 4
        assert [each.source for each in bus.emitted("users:*")] == ["exprsn-spark"]


async def test_a_worker_of_production_is_tested_again_and_again() -> None:
    """It is left as it was found: it can join the next bus, and nothing that happened before is told there."""
    herald = Herald()
    for _ in range(2):
        async with TestBus() as bus:
            await bus.start(herald.worker)
            herald.fails, herald.attempts = 1, []
            await created(bus)
            await bus.settled()
            assert [str(failure) for failure in bus.failures] == ["exprsn-herald on post:created: ValueError: not now"]
            bus.assert_not_emitted("notification:sent")


async def test_the_position_and_the_repeat_of_an_id_are_as_in_the_mesh() -> None:
    herald = Herald()
    async with TestBus() as bus:
        await bus.start(herald.worker)
        first = await bus.emit("post:created", {"id": "1"}, source="timeline", id="a")
        assert await bus.emit("post:created", {"id": "1"}, source="exprsn-timeline", id="a") == first
        await bus.settled()
        bus.assert_emitted("notification:sent", times=1)
        await bus.advance(301)
        assert await bus.emit("post:created", {"id": "1"}, source="timeline", id="a") != first


async def test_what_production_refuses_is_refused() -> None:
    async with TestBus() as bus:
        with pytest.raises(BadMessageError, match="not an event name"):
            await bus.emit("post", {}, source="timeline")
        with pytest.raises(UnknownServiceError, match="nobody"):
            await bus.emit("post:created", {}, source="nobody")
        with pytest.raises(BadMessageError, match="JSON"):
            await bus.emit("post:created", object(), source="timeline")
        assert bus.emitted() == []
    with pytest.raises(UnavailableError, match="async with"):
        await created(TestBus())


# Groups and time


async def test_a_retry_comes_when_its_time_has_come() -> None:
    """Pauses are jittered by a fifth, as in production: before four fifths nothing comes, after six fifths it has."""
    herald = Herald(group="notify")
    herald.fails = 2
    async with TestBus() as bus:
        await bus.start(herald.worker)
        await created(bus)
        await bus.settled()
        await bus.advance(0.79)
        assert herald.attempts == [1]
        await bus.advance(0.42)
        assert herald.attempts == [1, 2]
        bus.assert_not_emitted("notification:*")
        await bus.advance(6)
        assert herald.attempts == [1, 2, 3]
        bus.assert_emitted("notification:sent", times=1)


async def test_all_retries_fit_into_one_advance() -> None:
    """Each at its own time, up to the dead letter; another member's events are not touched by that."""
    herald = Herald(group="notify")
    herald.fails = 100
    async with TestBus() as bus:
        await bus.start(herald.worker)
        await created(bus)
        await bus.advance(1_000)
        assert herald.attempts == [1, 2, 3, 4, 5, 6]
        (letter,) = bus.dead_letters("herald", "notify")
        assert (letter.event, letter.attempts, letter.error) == ("post:created", 6, "ValueError: not now")
        assert [failure.context.attempt for failure in bus.failures] == herald.attempts
        assert bus.dead_letters("herald", "other") == []


async def test_what_a_handler_rejects_is_a_dead_letter_at_once() -> None:
    herald = Herald(group="notify")
    herald.fails, herald.error = 1, Reject("no such user")
    async with TestBus() as bus:
        await bus.start(herald.worker)
        await created(bus)
        await bus.settled()
        assert [letter.error for letter in bus.dead_letters("exprsn-herald", "notify")] == ["Reject: no such user"]


async def test_time_passes_while_a_handler_runs() -> None:
    """So its delivery is given out again when it has taken too long, and what it says then comes too late."""
    herald = Herald(group="notify", retry={"ack_ms": 10_000, "backoff_ms": [500]})
    herald.goes_on.clear()
    async with TestBus() as bus:
        await bus.start(herald.worker)
        await created(bus)
        await bus.advance(9)
        assert herald.attempts == [1]
        await bus.advance(2)
        assert herald.attempts == [1, 2]
        bus.assert_emitted("notification:sent", times=1)
        herald.goes_on.set()
        await bus.settled()
        bus.assert_emitted("notification:sent", times=2)
        await bus.advance(60)
        assert herald.attempts == [1, 2]


async def test_a_test_can_ask_what_became_of_an_event() -> None:
    """At the time that the test says: waiting for its second attempt, and then done."""
    herald, timeline = Herald(group="notify", retry={"backoff_ms": [60_000]}), IPCWorker("timeline")
    herald.fails = 1
    async with TestBus() as bus:
        await bus.start(herald.worker, timeline)
        await timeline.emit("post:created", {"id": "1"}, id="e1")
        await bus.settled()
        (waiting,) = (await timeline.status("e1")).groups
        assert (waiting.state, waiting.attempt, waiting.error) == ("retrying", 1, "ValueError: not now")
        assert waiting.next_ms is not None
        assert 45_000 < waiting.next_ms - bus.clock.now_ms() < 75_000
        await bus.advance(75)
        (done,) = (await timeline.status("e1")).groups
        assert (done.state, done.attempt) == ("acked", 2)
        assert done.acked_in_ms is not None
        assert 45_000 < done.acked_in_ms <= 75_000


async def test_what_a_group_has_completed_is_forgotten_with_the_bus() -> None:
    """So the ids that one test has used are new to the next, in a worker with ``once`` as well."""
    herald = Herald(group="notify", once=True)
    for _ in range(2):
        async with TestBus() as bus:
            await bus.start(herald.worker)
            await bus.emit("post:created", {"id": "1"}, source="timeline", id="a")
            await bus.settled()
            bus.assert_emitted("notification:sent", times=1)


async def test_a_group_keeps_what_comes_while_its_worker_is_away() -> None:
    herald = Herald(group="notify")
    async with TestBus() as bus:
        await bus.start(herald.worker)
        await bus.stop(herald.worker)
        await created(bus)
        await bus.settled()
        bus.assert_not_emitted("notification:sent")
        await bus.start(herald.worker)
        await bus.settled()
        bus.assert_emitted("notification:sent")


async def test_time_does_not_go_back() -> None:
    async with TestBus() as bus:
        with pytest.raises(ValueError, match="not -1"):
            await bus.advance(-1)


# What failures say


def message_of(failure: pytest.ExceptionInfo[AssertionError]) -> list[str]:
    return str(failure.value).split("\n")


async def test_a_missing_event_is_explained() -> None:
    """By what was emitted, which handlers failed, and what is to be tried again."""
    herald = Herald(group="notify")
    herald.fails = 1
    async with TestBus() as bus:
        await bus.start(herald.worker)
        await created(bus)
        await bus.settled()
        with pytest.raises(AssertionError) as failure:
            bus.assert_emitted("notification:sent", target="timeline", data={"postId": "1"})
    assert message_of(failure) == [
        'notification:sent to exprsn-timeline with {"postId": "1"} was not emitted.',
        "Emitted were:",
        '  post:created from exprsn-timeline to broadcast: {"id": "1"}',
        "Handlers failed:",
        "  exprsn-herald on post:created (group notify, attempt 1): ValueError: not now",
        "Not finished:",
        "  post:created in group exprsn-herald/notify: attempt 1 is not over, or has failed and the next one comes with"
        " time; `await bus.advance(seconds)` lets it pass",
    ]


async def test_an_event_that_differs_is_shown_with_the_difference() -> None:
    async with TestBus() as bus:
        await bus.start(Herald().worker)
        await created(bus, "7")
        await bus.settled()
        for wanted, reason in [
            ({"data": {"postId": "1"}}, 'data.postId is "7", not "1"'),
            ({"data": {"post": 1}}, "data has no 'post'"),
            ({"target": "spark"}, "target is exprsn-timeline"),
            ({"source": "timeline"}, "source is exprsn-herald"),
        ]:
            with pytest.raises(AssertionError) as failure:
                bus.assert_emitted("notification:*", **wanted)  # type: ignore[arg-type]  # one of each kind
            assert message_of(failure)[1:] == [
                "Of that name, but different:",
                '  notification:sent from exprsn-herald to exprsn-timeline: {"postId": "7", "users": ["ada"]} <- '
                + reason,
            ]


async def test_too_many_are_listed() -> None:
    async with TestBus() as bus:
        await bus.emit("a:b", 1, source="spark")
        await bus.emit("a:b", 2, source="spark")
        await bus.settled()
        with pytest.raises(AssertionError) as failure:
            bus.assert_emitted("a:b", times=1)
        with pytest.raises(AssertionError, match="a:b with 2 was emitted, and should not have been"):
            bus.assert_not_emitted("a:b", data=2)
    assert message_of(failure) == [
        "a:b was emitted 2 times, not 1.",
        "As expected were:",
        "  a:b from exprsn-spark to broadcast: 1",
        "  a:b from exprsn-spark to broadcast: 2",
    ]


async def test_nothing_is_said_to_be_absent_that_may_yet_come() -> None:
    async with TestBus() as bus:
        await bus.start(Herald().worker)
        await created(bus)
        with pytest.raises(AssertionError, match=r"await bus\.settled\(\)"):
            bus.assert_not_emitted("notification:sent")
        with pytest.raises(AssertionError, match=r"await bus\.settled\(\)"):
            bus.assert_emitted("post:created", times=1)


async def test_a_handler_that_does_not_end_is_named() -> None:
    herald = Herald(group="notify")
    herald.goes_on.clear()
    async with TestBus(settle_timeout_s=0.05) as bus:
        await bus.start(herald.worker)
        await created(bus)
        with pytest.raises(AssertionError, match=r"not settled within 0\.05 s\.\nStill running:\n  .*notify"):
            await bus.settled()
        herald.goes_on.set()


async def test_events_that_go_round_are_noticed() -> None:
    echo = IPCWorker("spark")

    @echo.on("ping:sent")
    async def again(data: Any, _ctx: EventContext) -> None:
        await echo.emit("ping:sent", data)

    async with TestBus(settle_timeout_s=0.05) as bus:
        await bus.start(echo)
        await bus.emit("ping:sent", 1, source="timeline")
        with pytest.raises(AssertionError, match=r"not settled within 0\.05 s"):
            await bus.settled()


# What it needs

ALONE = """
import asyncio, sys

def refuse(event, args):
    if event in {"socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen"}:
        raise SystemExit(f"{event} {args}")

sys.addaudithook(refuse)
from ipc import IPCWorker
from ipc.testing import TestBus

worker = IPCWorker("herald")

@worker.on("post:*", group="notify")
async def notify(data, ctx):
    await worker.emit("notification:sent", data)

async def main():
    async with TestBus() as bus:
        await bus.start(worker)
        await bus.emit("post:created", 1, source="timeline")
        await bus.settled()
        bus.assert_emitted("notification:sent", data=1)

asyncio.run(main())
needless = {"django", "channels", "channels_redis", "daphne", "rest_framework", "pytest"} & sys.modules.keys()
print(sorted(needless))
"""


def test_it_needs_no_server_no_network_and_no_django() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in {"REDIS_URL", "BRIDGE_URL"}}
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", ALONE],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stdout.strip(), run.stderr) == (0, "[]", "")


def test_the_guide_works_as_it_is_printed(tmp_path: Path) -> None:
    """In a project of somebody else's, with no more than pytest and pytest-asyncio."""
    worker, test, assertions, time, *_ = [
        fence.text for fence in fences(ROOT / "docs" / "howto" / "test-your-handlers.md") if fence.language == "python"
    ]
    compile(assertions, "the guide", "exec")
    (tmp_path / "pulse.py").write_text(worker, encoding="utf-8")
    timed = "@pytest.mark.asyncio\nasync def test_time() -> None:\n" + textwrap.indent(time, "    ")
    (tmp_path / "test_pulse.py").write_text(f"{test}\n\n{timed}", encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:django", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 passed" in run.stdout
