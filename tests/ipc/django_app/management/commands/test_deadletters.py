"""`manage.py deadletters` on a real Valkey: what it prints, what it does, and its one-sentence refusals."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from ipc.protocol.routing import own_log
from ipc.stores.connection import connect
from ipc.stores.dead_letters import DeadLetters
from ipc.stores.groups import Groups
from tests.ipc.stores.test_dead_letters import letter


@pytest.fixture(autouse=True)
def mesh(redis_url: str, settings: Settings) -> str:
    """Three dead letters: two of herald's notify, one of spark's push, whose group is forgotten."""
    settings.REDIS_URL = redis_url
    on(redis_url, prepare)
    return redis_url


async def prepare(letters: DeadLetters, groups: Groups) -> None:
    await groups.create(own_log("exprsn-herald", "notify"), "exprsn-herald/notify", after="0-0")
    await letters.bury("exprsn-herald", "notify", letter("e1"))
    await letters.bury("exprsn-herald", "notify", letter("e2", "user:updated"))
    await letters.bury("exprsn-spark", "push", letter("e3"))


def on(url: str, do: Callable[[DeadLetters, Groups], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        client = connect(url)
        try:
            return await do(DeadLetters(client), Groups(client))
        finally:
            await client.aclose()

    return asyncio.run(run())


def run(*arguments: str) -> list[str]:
    output = StringIO()
    call_command("deadletters", *arguments, stdout=output)
    return output.getvalue().splitlines()


def letter_ids(*arguments: str) -> list[str]:
    return [line.split("  ")[0] for line in run("list", *arguments)[:-1]]


def test_the_list_has_a_line_for_each_and_a_total() -> None:
    *lines, total = run("list")
    assert [line.split("  ")[2] for line in lines] == ["post:created e1", "user:updated e2", "post:created e3"]
    assert total == "3 dead letters found"
    assert run("list", "--limit", "2")[-1] == "2 dead letters found; there are more, raise --limit or run it again"
    assert run("list", "--event", "post:*", "--group", "notify")[-1] == "1 dead letter found"
    assert run("list", "--until", "1h") == ["0 dead letters found"]


def test_a_reader_that_is_gone_ends_it_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as output:
        call_command("deadletters", "list", stdout=output)


def test_one_is_shown_as_json() -> None:
    (letter_id,) = letter_ids("--id", "e2")
    shown = json.loads("\n".join(run("show", letter_id)))
    assert (shown["id"], shown["eventId"], shown["data"]) == (letter_id, "e2", {"n": 1})


def test_a_dry_run_only_says_what_it_would_do() -> None:
    assert run("redrive", "--group", "notify", "--dry-run")[-1] == "2 dead letters to redrive, nothing was done"
    assert len(run("discard", "--all", "--reason", "x", "--dry-run")) == 4
    assert len(letter_ids()) == 3


def test_redrive_moves_what_the_filter_means(mesh: str) -> None:
    assert run("redrive", "--id", "e1") == ["1 dead letter redriven of 1"]
    assert len(letter_ids()) == 2
    own = own_log("exprsn-herald", "notify")
    taken = on(mesh, lambda _, groups: groups.exchange("exprsn-herald/notify", "hub", acks={}, logs=[own], count=5))
    assert [entry.event for _, entry in taken] == ["post:created"]


def test_a_redrive_of_all_skips_those_whose_group_is_forgotten() -> None:
    (orphan,) = letter_ids("--service", "spark")
    output = StringIO()
    with pytest.raises(CommandError, match=f"1 skipped.*no group push of exprsn-spark any more.*discard.*{orphan}"):
        call_command("deadletters", "redrive", "--all", stdout=output)
    assert output.getvalue() == "2 dead letters redriven of 3\n"
    assert letter_ids() == [orphan]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["redrive", "--group", "notfy"],
            "there is no group notfy; those that have had dead letters are: notify of exprsn-herald,"
            " push of exprsn-spark",
        ),
        (["list", "--service", "spark", "--group", "notify"], "there is no group notify of exprsn-spark; those that"),
    ],
)
def test_a_group_that_is_none_is_not_taken_for_an_empty_one(arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError) as refused:
        run(*arguments)
    assert str(refused.value).startswith(said)


def test_a_group_without_dead_letters_is_one_all_the_same(mesh: str) -> None:
    on(mesh, lambda _, groups: groups.create(own_log("exprsn-atlas", "maps"), "exprsn-atlas/maps", after="0-0"))
    assert run("redrive", "--group", "maps") == ["0 dead letters redriven of 0"]


def test_a_condition_chooses_and_what_it_cannot_decide_is_said() -> None:
    where = '{"$eq": [{"$var": "event"}, "user:updated"]}'
    assert run("redrive", "--where", where, "--dry-run")[-1] == "1 dead letter to redrive, nothing was done"
    assert run("redrive", "--where", where) == ["1 dead letter redriven of 1"]
    notes = StringIO()
    call_command("deadletters", "list", "--where", '{"$gt": [{"$var": "error"}, 1]}', stdout=StringIO(), stderr=notes)
    assert "could not be evaluated on 2" in notes.getvalue()


def test_discard_keeps_who_and_why(mesh: str) -> None:
    assert run("discard", "--service", "herald", "--reason", "a test") == ["2 dead letters discarded of 2"]
    kept = on(mesh, lambda letters, _: letters.discarded("exprsn-herald", "notify"))
    assert [(one.reason, bool(one.by)) for one in kept] == [("a test", True)] * 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["redrive"], "say which dead letters to redrive with a filter, or --all"),
        (["discard", "--reason", "x"], "say which dead letters to discard with a filter, or --all"),
        (["discard", "--all"], "the following arguments are required: --reason"),
        (["discard", "--all", "--reason", " "], "a dead letter is discarded for a reason"),
        (["list", "--since", "soon"], "'soon' is no moment"),
        (["list", "--service", "nobody"], "there is no service 'nobody'"),
        (["list", "--limit", "0"], "argument --limit"),
        (["redrive", "--where", "{"], "where is not JSON"),
        (["discard", "--reason", "x", "--where", "null"], "where is a condition, not null"),
        (["redrive", "--where", '{"n": 1}'], "a condition is an operator"),
        (["show", "herald/notify/1-0"], "there is no dead letter exprsn-herald/notify/1-0"),
        (["show", "this"], "is not the id of a dead letter"),
        (["redrive", "--service", "spark"], "there is no group push of exprsn-spark any more"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run(*arguments)
    assert len(letter_ids()) == 3


def test_without_redis_it_says_where_to_look(settings: Settings) -> None:
    settings.REDIS_URL = ""
    with pytest.raises(CommandError, match="REDIS_URL is not set"):
        run("list")
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with pytest.raises(CommandError, match="Redis is out of reach"):
        run("list")
