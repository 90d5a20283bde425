"""`manage.py ipc emit` and `ipc call` as processes, against live bridges: what they print, and their exit codes."""

import asyncio
import json
from pathlib import Path

import pytest

from ipc.protocol.ids import new_ulid
from tests.bridge.cli.conftest import complaint, ipc
from tests.clients import attached
from tests.ports import free_port
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes


async def test_an_event_is_emitted_from_an_argument_a_file_and_standard_input(
    bridge: ServerProcess, tmp_path: Path
) -> None:
    file = tmp_path / "data.json"
    file.write_text('{"from": "file"}', encoding="utf-8")
    async with attached(bridge, "live", "cli:*") as live:
        event_id = new_ulid()
        rest = ["--target", "live", "--target", "atlas", "--id", event_id, "--meta", '{"m": 1}', "--service", "vault"]
        told = await asyncio.to_thread(ipc, bridge, "emit", "cli:one", '"é"', *rest)
        event = await live.event()
        lines = told.stdout.splitlines()
        assert (told.returncode, told.stderr, lines[0]) == (0, "", f"{event_id}  exprsn-live  {event['position']}")
        assert lines[1].startswith(f"{event_id}  exprsn-atlas  ")
        again = await asyncio.to_thread(ipc, bridge, "emit", "cli:one", '"é"', *rest)
        assert (again.returncode, again.stdout.splitlines()) == (0, [f"{line}  duplicate" for line in lines])
        assert (event["data"], event["meta"], event["source"]) == ("é", {"m": 1}, "exprsn-vault")
        await asyncio.to_thread(ipc, bridge, "emit", "cli:two", f"@{file}", "--target", "live")
        assert (await live.event())["data"] == {"from": "file"}
        await asyncio.to_thread(ipc, bridge, "emit", "cli:three", "-", "--target", "live", input="[1]")
        assert (await live.event())["data"] == [1]


async def test_a_call_prints_the_reply(bridge: ServerProcess) -> None:
    async with attached(bridge, "gallery") as owner:
        await owner.ask(type="serve", resources=[{"name": "pictures", "ops": ["read"]}])
        calling = asyncio.create_task(
            asyncio.to_thread(ipc, bridge, "call", "pictures", "read", "--key", "7", "--query", '{"a": 1}')
        )
        async with asyncio.timeout(60):
            frame = json.loads(str(await owner.connection.recv()).split("\n")[0])
            while frame["type"] != "call":
                frame = json.loads(str(await owner.connection.recv()).split("\n")[0])
        assert (frame["key"], frame["query"], frame["source"]) == ("7", {"a": 1}, "exprsn-bridge")
        await owner.say({"type": "reply", "id": frame["id"], "data": {"title": "a\x9bb"}})
        told = await calling
    assert (told.returncode, told.stdout) == (0, '{\n  "title": "a\\x9bb"\n}\n')


async def test_a_resource_that_nobody_serves_is_answered_with_those_that_are(bridge: ServerProcess) -> None:
    """It may be a slip of the pen, and then trying again helps nobody."""
    async with attached(bridge, "gallery") as owner:
        await owner.ask(type="serve", resources=[{"name": "pictures", "ops": ["read"]}])
        told = await asyncio.to_thread(ipc, bridge, "call", "pictrues", "read")
    assert told.returncode == 75
    assert "NO_OWNER: nobody serves pictrues right now; served now are: pictures" in told.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["emit", "bad"], 1, "INVALID_EVENT: 'bad' is not an event name"),
        (["emit", "a:b", "{"], 1, "data is not JSON"),
        (["emit", "a:b", "@/nowhere"], 1, "data: /nowhere cannot be read: No such file or directory"),
        (["call", "nothing-there", "read"], 75, "NO_OWNER: "),
        (["call", "posts", "read", "--timeout", "61"], 1, "--timeout is more than 0 and at most 60"),
    ],
)
def test_what_is_wrong_is_one_sentence(bridge: ServerProcess, arguments: list[str], code: int, words: str) -> None:
    told, found = complaint(bridge, *arguments, "--url", bridge.url)
    assert (words in told, found) == (True, code), told


def test_a_bridge_that_is_not_there_may_be_later(bridge: ServerProcess) -> None:
    told = ipc(bridge, "emit", "a:b", "--url", f"https://localhost:{free_port()}")
    assert told.returncode == 75
    assert "CommandError: " in told.stderr
    assert "connection refused: is the bridge running there?" in told.stderr
    assert "Traceback" not in told.stderr
