"""`manage.py ipc operations`: a line with a bar for each, and cancelling one."""

import asyncio

import pytest

from ipc.protocol.ids import new_ulid
from tests.bridge.cli.conftest import complaint, ipc
from tests.clients import attached
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes


async def test_operations_are_listed_and_cancelled(bridge: ServerProcess) -> None:
    async with attached(bridge, "payments") as owner:
        begun = await owner.ask(type="operation", op="begin", name="export", total=8)
        operation = begun["operations"][0]["id"]
        await owner.ask(type="operation", op="progress", operation=operation, done=2, text="a\x1b[2Jb")
        listed = await asyncio.to_thread(ipc, bridge, "operations", "--of", "payments")
        (line,) = [line for line in listed.stdout.splitlines() if line.startswith(operation)]
        assert "exprsn-payments  export  #####...............  25.0 %  running  since 20" in line
        assert line.endswith("a\\x1b[2Jb")
        cancelled = await asyncio.to_thread(ipc, bridge, "operations", "cancel", operation)
        assert (cancelled.returncode, "cancelled by operator dev-user" in cancelled.stdout) == (0, True)
        notice = await owner.hear(lambda heard: heard["type"] == "notice")
    assert (notice["notice"], notice["operation"]) == ("cancelled", operation)


def test_what_is_wrong_is_one_sentence(bridge: ServerProcess) -> None:
    told, code = complaint(bridge, "operations", "cancel", new_ulid(), "--url", bridge.url)
    assert (told.startswith("NOT_FOUND: there is no operation"), code) == (True, 1)
    told, _ = complaint(bridge, "operations", "cancel", "--url", bridge.url)
    assert told == "say which operation: manage.py ipc operations cancel ID"


def test_no_operations_are_no_empty_page(bridge: ServerProcess) -> None:
    assert ipc(bridge, "operations", "--of", "setup").stdout == "no operations\n"
