"""The dead-letter workbench: what is listed, and what can be done with some letters or with all that match."""

from html import unescape
from typing import Any

import pytest
from django.test import AsyncClient
from redis.asyncio import Redis

from bridge.console import letter_actions
from bridge.console.dead_letters import COUNT
from ipc.hub.hub import Hub
from ipc.stores.audit import Audit
from ipc.stores.audit_filter import AuditFilter
from ipc.stores.dead_letters import DeadLetters
from ipc.stores.groups import Groups
from tests.bridge.console.conftest import LogIn
from tests.bridge.console.mesh import EVIL, HERALD, NOTIFY, bury, make_group

PATH = "/admin/console/dead-letters"
JSON = {"Accept": "application/json"}


@pytest.fixture
async def operator(log_in: LogIn) -> AsyncClient:
    return await log_in("olga", "view_event", "redrive_deadletter", "discard_deadletter")


async def listed(client: AsyncClient, **query: str) -> list[str]:
    answer = await client.get(PATH, query)
    assert answer.status_code == 200, answer.content
    return [row["event_id"] for row in answer.context["rows"]]


async def ids(client: AsyncClient) -> list[str]:
    return [row["id"] for row in (await client.get(PATH)).context["rows"]]


async def trail(redis: Redis) -> list[tuple[str, str, Any]]:
    entries = (await Audit(redis).read(AuditFilter(action="deadletters."))).entries
    return [(entry.action, entry.subject, entry.details.get("count")) for entry in entries]


async def test_they_are_for_who_may_see_events(log_in: LogIn, hub: Hub) -> None:
    for client, status in (
        (AsyncClient(), 302),
        (await log_in("bob", "view_mesh"), 403),
        (await log_in("ann", "view_event"), 200),
    ):
        assert (await client.get(PATH)).status_code == status


async def test_a_viewer_sees_no_buttons(log_in: LogIn, operator: AsyncClient, hub: Hub, redis: Redis) -> None:
    await bury(redis)
    viewer = await log_in("ann", "view_event")
    for client, has in ((viewer, False), (operator, True)):
        page = (await client.get(PATH)).content.decode()
        assert ("Redrive selected" in page, "Discard selected" in page) == (has, has)


async def test_filters_and_hostile_text(operator: AsyncClient, hub: Hub, redis: Redis) -> None:
    assert "There are no dead letters" in (await operator.get(PATH)).content.decode()
    await bury(redis, 1)
    await bury(redis, 2, event="user:updated", error="TimeoutError: late", attempts=6)
    await bury(redis, 3, service="exprsn-spark", group="push", error="KeyError: 'n'", data={"n": "three"})
    page = (await operator.get(PATH)).content.decode()
    assert EVIL not in page
    assert EVIL in unescape(page)
    for query, found in (
        ({}, ["e1", "e2", "e3"]),
        ({"service": HERALD}, ["e1", "e2"]),
        ({"group": "push"}, ["e3"]),
        ({"event": "user:*"}, ["e2"]),
        ({"error": "timeouterror"}, ["e2"]),
        ({"error": EVIL}, ["e1"]),
        ({"since": "1h"}, ["e1", "e2", "e3"]),
        ({"until": "1h"}, []),
        ({"where": '{"$gt": [{"$var": "attempts"}, 5]}'}, ["e2"]),
        ({"where": '{"$gt": [{"$var": "data.n"}, 0]}'}, ["e1", "e2"]),
    ):
        assert await listed(operator, **query) == found, query
    answer = await operator.get(PATH, {"where": '{"$gt": [{"$var": "data.n"}, 0]}'})
    assert "On 1 the condition could not be evaluated" in answer.content.decode()
    assert "No dead letter is of this kind" in (await operator.get(PATH, {"until": "1h"})).content.decode()


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ({"where": '{"$or": [{"$nope": 1}]}'}, 200, "/$or/0/$nope"),
        ({"event": "::"}, 200, "pattern"),
        ({"since": "soon"}, 200, "no moment"),
        ({"group": "no group"}, 400, "group"),
        ({"after": "x"}, 400, "id of a dead letter"),
        ({"service": "exprsn-nobody"}, 200, "valid choice"),
    ],
)
async def test_a_mistake_is_said(
    operator: AsyncClient, hub: Hub, query: dict[str, str], status: int, said: str
) -> None:
    answer = await operator.get(PATH, query)
    assert answer.status_code == status
    assert said in unescape(answer.content.decode())


async def test_pages_follow_each_other(operator: AsyncClient, hub: Hub, redis: Redis) -> None:
    for number in range(COUNT + 2):
        await bury(redis, number)
    first = await operator.get(PATH)
    assert len(first.context["rows"]) == COUNT
    assert await listed(operator, after=first.context["older"]) == [f"e{COUNT}", f"e{COUNT + 1}"]


async def test_some_are_redriven(operator: AsyncClient, hub: Hub, redis: Redis) -> None:
    await make_group(redis)
    for number in (1, 2, 3):
        await bury(redis, number)
    first, second, third = await ids(operator)
    answer = await operator.post(f"{PATH}/redrive", {"letter": [first, third]}, follow=True)
    assert "2 redriven" in answer.content.decode()
    assert await ids(operator) == [second]
    assert await trail(redis) == [("deadletters.redrive", f"{HERALD}/{NOTIFY}", 2)]


async def test_all_that_match_are_redriven_in_steps_that_end(
    operator: AsyncClient, hub: Hub, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letter_actions, "STEP", 2)
    await make_group(redis)
    for number in range(5):
        await bury(redis, number, error="TimeoutError" if number else "other")
    fields: dict[str, Any] = {"all": "1", "error": "timeout"}
    done = steps = 0
    while True:
        answer = await operator.post(f"{PATH}/redrive", fields, headers=JSON)
        assert answer.status_code == 200, answer.content
        step = answer.json()["data"]
        done, steps = done + step["done"], steps + 1
        fields |= {"after": step["after"], "upto": step["upto"]}
        if not step["more"]:
            break
    assert (done, steps) == (4, 2)
    assert await listed(operator) == ["e0"]


async def test_what_was_buried_after_the_first_step_is_left(operator: AsyncClient, hub: Hub, redis: Redis) -> None:
    await make_group(redis)
    await bury(redis, 1)
    fields = {"all": "1", "upto": "1000"}
    step = (await operator.post(f"{PATH}/redrive", fields, headers=JSON)).json()["data"]
    assert (step["done"], step["more"]) == (0, False)
    assert await listed(operator) == ["e1"]


async def test_a_forgotten_group_keeps_nothing_else_back(operator: AsyncClient, hub: Hub, redis: Redis) -> None:
    await make_group(redis)
    await bury(redis, 1, group="gone")
    await bury(redis, 2)
    step = (await operator.post(f"{PATH}/redrive", {"all": "1"}, headers=JSON)).json()["data"]
    assert (step["done"], step["left"], step["more"]) == (1, 1, False)
    (orphan,) = await ids(operator)
    answer = await operator.post(f"{PATH}/redrive", {"letter": [orphan]}, headers=JSON)
    assert (answer.status_code, answer.json()["error"]) == (404, "NOT_FOUND")
    assert "there is no group gone" in answer.json()["message"]


async def test_discarding_needs_a_reason_and_keeps_it(operator: AsyncClient, hub: Hub, redis: Redis) -> None:
    await bury(redis, 1)
    await bury(redis, 2)
    first, _ = await ids(operator)
    answer = await operator.post(f"{PATH}/discard", {"letter": [first], "reason": " "}, headers=JSON)
    assert (answer.status_code, answer.json()["error"]) == (400, "INVALID_MESSAGE")
    await operator.post(f"{PATH}/discard", {"letter": [first], "reason": EVIL}, headers=JSON)
    assert await listed(operator) == ["e2"]
    step = (await operator.post(f"{PATH}/discard", {"all": "1", "reason": "all"}, headers=JSON)).json()["data"]
    assert (step["done"], await listed(operator)) == (1, [])
    kept = await DeadLetters(redis).discarded(HERALD, NOTIFY)
    assert [each.reason for each in kept] == ["all", EVIL]
    assert [entry[2] for entry in await trail(redis)] == [1, 1]


@pytest.mark.parametrize("action", ["redrive", "discard"])
@pytest.mark.parametrize(
    "fields",
    [{}, {"letter": "x"}, {"letter": [f"herald/notify/{n}-0" for n in range(201)]}, {"all": "1", "where": "{"},
     {"all": "1", "after": "x"}, {"all": "1", "group": "no group"}],
)  # fmt: skip
async def test_what_makes_no_sense_does_nothing(
    operator: AsyncClient, hub: Hub, redis: Redis, action: str, fields: dict[str, Any]
) -> None:
    await make_group(redis)
    await bury(redis)
    answer = await operator.post(f"{PATH}/{action}", {"reason": "x", **fields}, headers=JSON)
    assert answer.status_code == 400
    assert await listed(operator) == ["e1"]
    assert await trail(redis) == []


async def test_two_operators_move_a_letter_once(operator: AsyncClient, hub: Hub, redis: Redis) -> None:
    await make_group(redis)
    await bury(redis)
    (letter,) = await ids(operator)
    for status in (200, 503):
        answer = await operator.post(f"{PATH}/redrive", {"letter": [letter]}, headers=JSON)
        assert answer.status_code == status
    assert await Groups(redis).exists("broadcast", f"{HERALD}/{NOTIFY}")
    assert len(await trail(redis)) == 1
