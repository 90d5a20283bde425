"""`manage.py ipcservices` and `ipcexplain` on a real Valkey: what they print, and their one-sentence refusals."""

import asyncio
import json
from dataclasses import replace
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from ipc.protocol.declarations import Declaration, DeclaredEvent, Drift
from ipc.protocol.discovery import Hearing, ServedResource
from ipc.stores.connection import connect
from ipc.stores.declarations import Declarations
from ipc.stores.groups import Groups
from ipc.stores.ledger import Ledger
from ipc.stores.registry import Registry
from ipc.stores.shares import Shares
from tests.contracts.test_registry import registration
from tests.ipc.hub.test_discovery import owner, share


@pytest.fixture(autouse=True)
def mesh(redis_url: str, settings: Settings) -> str:
    """A herald that hears and serves, a group without a member, and a hub that has made calls."""
    settings.REDIS_URL = redis_url
    asyncio.run(prepare(redis_url))
    return redis_url


async def prepare(url: str) -> None:
    client = connect(url)
    herald = replace(
        registration(),
        version="1.2.3",
        hostname="desk\x1b[2J",
        resources=(ServedResource(name="letters", ops=("read",)),),
        emits=("letter:sent",),
        hears=(Hearing(events=("post:*",)), Hearing(events=("post:created",), group="notify")),
    )
    try:
        await Registry(client).put([herald])
        await Shares(client).put(
            share("h1", owner("h1", "exprsn-spark:01"), errors=1, last_error="INTERNAL: no", last_error_ms=5)
        )
        letter = Declaration(event="letter:sent", schema={})
        await Declarations(client).put([DeclaredEvent(service="exprsn-herald", declaration=letter, declared_ms=1)])
        drift = Drift(checked=12, drifted=1, last_error="no\x1b[2J", last_pointer="/to", last_ms=5)
        await Declarations(client).add_drift("exprsn-herald", {"letter:sent": drift})
        await Groups(client).create("broadcast", "exprsn-atlas/count")
        await Ledger(client).define("exprsn-atlas/count", ["post:*"], 6)
    finally:
        await client.aclose()


def run(command: str, *arguments: str) -> str:
    output = StringIO()
    call_command(command, *arguments, stdout=output)
    return output.getvalue()


def test_people_get_a_table() -> None:
    text = run("ipcservices")
    lines = text.splitlines()
    assert lines[0] == "exprsn-herald  1 instance"
    assert "  letter:sent  12 checked  1 drifted  last: /to: no [2J" in lines
    assert "1.2.3" in lines[1]
    assert "    serves  letters (read)" in lines
    assert "    hears   post:*" in lines
    assert "    group   notify: post:created" in lines
    assert "    emits   letter:sent" in lines
    assert "exprsn-spark  offline" in lines
    assert any("posts.read  1 requests  1 errors" in line and "last: INTERNAL: no" in line for line in lines)
    assert any("breaker open, again in 10 ms" in line for line in lines)
    assert lines[-1] == "2 services, 1 hub"
    assert "\x1b" not in text


def test_programs_get_json() -> None:
    found = json.loads(run("ipcservices", "spark", "--json"))
    assert [service["name"] for service in found["services"]] == ["exprsn-spark"]


def test_an_event_is_explained_line_by_line() -> None:
    lines = run("ipcexplain", "post:created", "--data", '{"a": 1}', "--source", "timeline").splitlines()
    assert lines[0] == "gets it  exprsn-herald:01  the pattern post:* matches"
    assert lines[1].startswith("gets it  exprsn-atlas/count  the pattern post:* matches; no member is there")
    assert "exprsn-spark" in lines[2]
    (not_for,) = [line for line in run("ipcexplain", "post:created", "--target", "spark").splitlines() if ":01" in line]
    assert not_for.startswith("no ")
    assert json.loads(run("ipcexplain", "user:login", "--json"))["live"][0]["reason"] == "pattern"
    assert run("ipcexplain", "service:online").startswith("refused: only the mesh itself")


@pytest.mark.parametrize(
    ("command", "arguments", "says"),
    [
        ("ipcservices", ["nobody"], "there is no service"),
        ("ipcexplain", ["nothing"], "not an event name"),
        ("ipcexplain", ["a:b", "--data", "{"], "JSON"),
        ("ipcexplain", ["a:b", "--meta", "[1]"], "meta is an object"),
        ("ipcexplain", ["a:b", "--target", "nobody"], "unknown target"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(command: str, arguments: list[str], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        run(command, *arguments)


@pytest.mark.parametrize(("command", "arguments"), [("ipcservices", []), ("ipcexplain", ["a:b"])])
def test_without_redis_they_say_where_it_is(command: str, arguments: list[str], settings: Settings) -> None:
    settings.REDIS_URL = ""
    with pytest.raises(CommandError, match="REDIS_URL is not set"):
        run(command, *arguments)
