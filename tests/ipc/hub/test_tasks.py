"""Tasks with an owner."""

import asyncio

import pytest

from ipc.hub.tasks import OwnedTasks


async def forever() -> None:
    await asyncio.Event().wait()


async def test_closing_cancels_what_runs_and_waits_for_it() -> None:
    ended: list[str] = []

    async def tidy() -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(0)
            ended.append("tidied up")

    tasks = OwnedTasks("test")
    running = tasks.start(tidy(), "tidy")
    await asyncio.sleep(0)
    await tasks.close()
    assert (running.cancelled(), ended) == (True, ["tidied up"])


async def test_a_failure_is_logged_with_the_names_of_owner_and_task(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ValueError("because")

    tasks = OwnedTasks("hub 7")
    await asyncio.wait([tasks.start(fail(), "listen")])
    await asyncio.sleep(0)
    (record,) = caplog.records
    assert record.getMessage() == "hub 7: listen failed"
    assert "because" in caplog.text


async def test_what_was_cancelled_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    tasks = OwnedTasks("test")
    tasks.start(forever(), "wait")
    await tasks.close()
    assert caplog.records == []


async def test_a_task_may_close_its_owner() -> None:
    """It does not cancel itself, only the others."""
    tasks = OwnedTasks("test")
    other = tasks.start(forever(), "other")
    closing = tasks.start(tasks.close(), "close")
    await asyncio.wait([closing])
    assert (other.cancelled(), closing.cancelled()) == (True, False)
