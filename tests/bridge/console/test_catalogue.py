"""The catalogue as pages: what is declared, what of it no longer fits, and where and why."""

from typing import Any

import pytest
from django.test import AsyncClient
from redis.asyncio import Redis

from bridge.console import catalogue
from ipc.hub.hub import Hub
from ipc.protocol.declarations import Declaration, DeclaredEvent, Drift
from ipc.stores.declarations import Declarations
from tests.bridge.console.conftest import LogIn, Roles
from tests.bridge.console.mesh import EVIL

PATH = "/admin/console/catalogue"
HERALD, SPARK = "exprsn-herald", "exprsn-spark"


@pytest.fixture
async def client(log_in: LogIn) -> AsyncClient:
    return await log_in("ann", "view_mesh")


async def declare(redis: Redis, *events: str, service: str = HERALD, **told: Any) -> None:
    is_checked = told.pop("is_checked", True)
    said = [Declaration(event=event, schema={"type": "string"}, **told) for event in events]
    await Declarations(redis).put(
        [DeclaredEvent(service=service, declaration=each, declared_ms=1, is_checked=is_checked) for each in said]
    )


async def drift(redis: Redis, event: str, *, service: str = HERALD, at_ms: int = 5, error: str = "too long") -> None:
    found = Drift(checked=3, drifted=1, last_error=error, last_pointer="/a/0", last_ms=at_ms)
    await Declarations(redis).add_drift(service, {event: found})


def events(answer: Any) -> list[tuple[str, str]]:
    return [(row["service"], row["event"]) for row in answer.context["rows"]]


async def test_it_is_for_who_may_see_the_mesh(log_in: LogIn, hub: Hub, redis: Redis) -> None:
    await declare(redis, "mail:sent")
    bob = await log_in("bob", "view_event")
    for path in (PATH, f"{PATH}/herald/mail:sent"):
        assert (await AsyncClient().get(path)).status_code == 302
        assert (await bob.get(path)).status_code == 403


async def test_nothing_says_how_events_are_declared(client: AsyncClient, hub: Hub) -> None:
    page = (await client.get(PATH)).content.decode()
    assert "No service has declared its events" in page
    assert "ipc.declare_event(" in page


async def test_what_no_longer_fits_comes_first_with_where_and_why(client: AsyncClient, hub: Hub, redis: Redis) -> None:
    await declare(redis, "a:a", "b:b", "c:c")
    await declare(redis, "d:d", service=SPARK, is_checked=False)
    await drift(redis, "b:b", at_ms=5)
    await drift(redis, "c:c", at_ms=9)
    answer = await client.get(PATH)
    assert events(answer) == [("herald", "c:c"), ("herald", "b:b"), ("herald", "a:a"), ("spark", "d:d")]
    row = answer.context["rows"][0]
    assert (row["fitted"], row["drifted"], row["pointer"], row["error"]) == (2, 1, "/a/0", "too long")
    page = answer.content.decode()
    assert "2 have had data that did not fit" in page
    assert "not looked at" in page
    assert "/api/ipc/asyncapi.json" in page
    assert "/api/docs" in page


async def test_they_are_chosen(client: AsyncClient, hub: Hub, redis: Redis) -> None:
    await declare(redis, "mail:sent", "post:read")
    await declare(redis, "mail:sent", service=SPARK)
    await drift(redis, "mail:sent")
    for asked, found in (
        ({"service": SPARK}, [("spark", "mail:sent")]),
        ({"event": "post:*"}, [("herald", "post:read")]),
        ({"fits": "no"}, [("herald", "mail:sent")]),
        ({"service": SPARK, "fits": "no"}, []),
    ):
        answer = await client.get(PATH, asked)
        assert events(answer) == found
    assert "No declared event is of this kind" in answer.content.decode()


@pytest.mark.parametrize("asked", [{"service": "x"}, {"event": "no pattern"}, {"fits": "maybe"}, {"offset": "-2"}])
async def test_a_filter_that_makes_no_sense_shows_nothing(client: AsyncClient, hub: Hub, asked: dict[str, str]) -> None:
    answer = await client.get(PATH, asked)
    assert (answer.status_code, "rows" in answer.context) == (200, False)


async def test_they_are_paged(client: AsyncClient, hub: Hub, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "COUNT", 2)
    await declare(redis, "a:a", "b:b", "c:c")
    first, second = await client.get(PATH), await client.get(PATH, {"offset": "2"})
    assert events(first) + events(second) == [("herald", each) for each in ("a:a", "b:b", "c:c")]
    assert (first.context["after"], second.context["before"], second.context["after"]) == (2, 0, None)


async def test_one_has_its_schema_and_its_examples(client: AsyncClient, roles: Roles, hub: Hub, redis: Redis) -> None:
    await declare(redis, "mail:sent", description="A letter.", examples=["one"])
    await drift(redis, "mail:sent")
    path = f"{PATH}/herald/mail:sent"
    page = (await client.get(path)).content.decode()
    for said in ("A letter.", "&quot;type&quot;: &quot;string&quot;", "&quot;one&quot;", "/a/0", "1 of 3"):
        assert said in page
    assert "console/explorer?" not in page
    assert "console/explorer?pattern=mail%3Asent" in (await (await roles("viewer")).get(path)).content.decode()


async def test_what_a_service_says_is_text(client: AsyncClient, hub: Hub, redis: Redis) -> None:
    await declare(redis, "mail:sent", description=EVIL, examples=[EVIL])
    await drift(redis, "mail:sent", error=EVIL)
    for path in (PATH, f"{PATH}/herald/mail:sent"):
        page = (await client.get(path)).content.decode()
        assert EVIL not in page
        assert "&lt;script&gt;alert(1)" in page


async def test_what_nobody_has_declared_is_not_found(client: AsyncClient, hub: Hub, redis: Redis) -> None:
    await declare(redis, "mail:sent")
    for name in ("herald/mail:lost", "spark/mail:sent", "herald/%3Cb%3E", f"herald/{'x' * 3_000}"):
        answer = await client.get(f"{PATH}/{name}")
        assert (answer.status_code, "row" in answer.context) == (404, False), name
    assert (await client.get(f"{PATH}/nobody/mail:sent")).status_code == 404
