"""What the work at hand belongs to: found out when it is asked for, the same for all who ask, and for nobody else."""

import asyncio
import threading

from ipc.hub.batching import Batcher
from ipc.hub.tasks import OwnedTasks
from ipc.protocol.traceparent import parse
from ipc.tracing.scope import Scope, current, current_step, current_traceparent, facts
from ipc.tracing.steps import attending, continuing, handling
from tests.ipc.tracing.events import TRACE, event


def test_outside_of_any_work_nothing_is_known() -> None:
    assert (current_step(), current_traceparent(), facts()) == (None, None, {})


def test_a_step_follows_what_it_came_with_and_stays_the_same() -> None:
    scope = Scope(TRACE)
    parent = parse(TRACE)
    assert parent is not None
    assert scope.step is scope.step
    assert (scope.step.trace_id, scope.step.flags) == (parent.trace_id, parent.flags)
    assert scope.step.span_id != parent.span_id


def test_what_came_with_nothing_or_nonsense_begins_a_trace_of_its_own() -> None:
    steps = [Scope(parent).step for parent in (None, "", "00-x", TRACE.upper())]
    assert len({step.trace_id for step in steps}) == 4


def test_threads_that_ask_at_the_same_time_are_told_the_same() -> None:
    scope, barrier, found = Scope(), threading.Barrier(8), list[str]()

    def ask() -> None:
        barrier.wait()
        found.append(str(scope.step))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found))) == (8, 1)


def test_facts_are_those_of_the_innermost_work_and_end_with_it() -> None:
    with attending("s-1"):
        assert facts() == {"session": "s-1"}
        with handling(event(), "s-2"):
            inner = facts()
            assert (inner["session"], inner["event_id"], inner["trace_id"]) == ("s-2", "e1", TRACE[3:35])
            assert current_traceparent() == f"00-{inner['trace_id']}-{inner['span_id']}-01"
        assert facts() == {"session": "s-1"}
    assert facts() == {}


def test_what_goes_on_with_a_step_is_that_step_itself() -> None:
    with continuing(TRACE, "e1"):
        assert current_traceparent() == TRACE


async def test_tasks_of_the_work_belong_to_it_and_those_of_a_hub_or_a_worker_do_not() -> None:
    """Who happens to start a batcher is not whom all its later lines are about."""
    found: dict[str, Scope | None] = {}
    tasks = OwnedTasks("test")

    async def note(name: str) -> None:
        found[name] = current.get()

    async def send(items: list[str]) -> None:
        await note(items[0])

    batcher = Batcher(send, capacity=1, max_items=1, max_size=1, name="test")
    scope = Scope()
    with scope:
        await asyncio.create_task(note("own"))
        await asyncio.to_thread(lambda: found.update(thread=current.get()))
        await tasks.start(note("owned"), "owned")
        batcher.put("batch", 1)
        await batcher.flushed()
    assert found == {"own": scope, "thread": scope, "owned": None, "batch": None}
