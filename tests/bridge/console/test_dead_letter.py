"""One dead letter: shown as text, tried, edited and redriven to a real member, by who may."""

import json
from html import unescape
from typing import Any

import pytest
from django.test import AsyncClient
from redis.asyncio import Redis

from ipc import Reject
from ipc.hub import group_task
from ipc.hub.hub import Hub
from ipc.protocol.frames import closed
from ipc.stores.audit import Audit
from ipc.stores.audit_filter import AuditFilter
from ipc.stores.dead_letter_filter import DeadLetterFilter
from ipc.stores.dead_letters import DeadLetters
from tests.bridge.console.conftest import LogIn
from tests.bridge.console.mesh import EVIL, HERALD, NOTIFY, Heard, bury, emit, make_group

PATH = "/admin/console/dead-letters"


@pytest.fixture
async def operator(log_in: LogIn) -> AsyncClient:
    return await log_in("olga", "view_event", "redrive_deadletter", "discard_deadletter")


async def path_of(redis: Redis) -> str:
    (found,) = (await DeadLetters(redis).find(DeadLetterFilter(), limit=1)).letters
    return f"{PATH}/{found.id}"


async def test_it_shows_why_and_what_as_text(operator: AsyncClient, hub: Hub, redis: Redis) -> None:
    await bury(redis)
    page = (await operator.get(await path_of(redis))).content.decode()
    assert EVIL not in page
    shown = unescape(page)
    for text in (f"ValueError: {EVIL}", f"Traceback\n{EVIL}", f'"text": "{EVIL}"', "exprsn-timeline", "Redrive"):
        assert text in shown, text


async def test_a_viewer_looks_and_does_nothing(log_in: LogIn, hub: Hub, redis: Redis) -> None:
    await make_group(redis)
    await bury(redis)
    viewer, path = await log_in("ann", "view_event"), await path_of(redis)
    page = (await viewer.get(path)).content.decode()
    assert "Traceback" in page
    assert "<button" not in page.partition('id="content-main"')[2].partition("</main>")[0].partition("<dialog")[0]
    for said in ({"redrive": "", "payload": "1"}, {"try": "", "payload": "1", "expression": "1"}):
        assert (await viewer.post(path, said)).status_code == 403
    assert (await (await log_in("bob", "view_mesh")).get(path)).status_code == 403
    assert await DeadLetters(redis).count(HERALD, NOTIFY) == 1


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ('{"$var": "data.n"}', "2"),
        ('{"$concat": ["<", {"$var": "error"}]}', f'"<ValueError: {EVIL}"'),
        ('{"__jsonlex": true, "expr": {"$add": [{"$var": "attempts"}, 1]}}', "4"),
        ('{"$add": [{"$var": "event"}, 1]}', "/$add"),
        ('{"$nope": 1}', "/$nope"),
        ("{", "is not JSON"),
    ],
)
async def test_an_expression_is_tried_on_the_data_of_the_form(
    operator: AsyncClient, hub: Hub, redis: Redis, expression: str, shown: str
) -> None:
    await bury(redis)
    said = {"payload": '{"n": 2}', "expression": expression, "try": ""}
    answer = await operator.post(await path_of(redis), said)
    page = answer.content.decode()
    assert shown in unescape(page.partition('id="edit"')[2])
    assert EVIL not in page
    assert await DeadLetters(redis).count(HERALD, NOTIFY) == 1


async def test_edited_and_redriven_it_arrives_at_a_worker_marked(
    operator: AsyncClient, hub: Hub, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_task, "TEND_S", 0.05)

    async def wants_an_address(data: Any) -> None:
        if not data["address"]:
            raise Reject("no address")

    async with Heard(wants_an_address).on(hub) as herald:
        event = await emit(hub, data={"address": ""})
        await herald.hears(1)
        while not await DeadLetters(redis).count(HERALD, NOTIFY):
            await hub.ledger.status(event.id)
        said = {"payload": '{"address": "ann@example.org"}', "redrive": ""}
        answer = await operator.post(await path_of(redis), said)
        assert "Edited and redriven" in answer.content.decode()
        data, context = (await herald.hears(2))[1]
    assert (data, context.id, context.attempt) == ({"address": "ann@example.org"}, event.id, 1)
    assert context.edited is not None
    (entry,) = (await Audit(redis).read(AuditFilter(action="deadletters."))).entries
    assert (entry.action, entry.by) == ("deadletters.edit", context.edited)
    assert "ann@example.org" not in json.dumps(entry.details)
    (kept,) = await DeadLetters(redis).discarded(HERALD, NOTIFY)
    assert json.loads(closed(kept.frame))["data"] == {"address": ""}
    page = await operator.get("/admin/console/explorer/event", {"id": event.id})
    assert "redriven 1 times" in page.content.decode()


async def test_the_same_data_are_no_edit(operator: AsyncClient, hub: Hub, redis: Redis) -> None:
    await make_group(redis)
    await bury(redis)
    path = await path_of(redis)
    shown = (await operator.get(path)).context["pretty"]
    answer = await operator.post(path, {"payload": shown.replace("\n", "\r\n"), "redrive": ""})
    assert "Redriven" in answer.content.decode()
    (entry,) = (await Audit(redis).read(AuditFilter(action="deadletters."))).entries
    assert entry.action == "deadletters.redrive"
    assert await DeadLetters(redis).discarded(HERALD, NOTIFY) == []
    assert (await operator.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("payload", "status", "said"),
    [
        ("", 400, "This field is required"),
        ("{", 400, "is not JSON"),
        ('{"a":1},"source":"exprsn-bridge"', 400, "is not JSON"),
        ("[" * 70 + "]" * 70, 400, "nested at most 64"),
        (json.dumps("x" * 300_000), 413, "data has at most"),
    ],
)
async def test_bad_data_stay_in_the_form_and_change_nothing(
    operator: AsyncClient, hub: Hub, redis: Redis, payload: str, status: int, said: str
) -> None:
    await make_group(redis)
    await bury(redis)
    answer = await operator.post(await path_of(redis), {"payload": payload, "redrive": ""})
    page = unescape(answer.content.decode())
    assert (answer.status_code, said in page) == (status, True)
    assert payload in page
    assert await DeadLetters(redis).count(HERALD, NOTIFY) == 1


@pytest.mark.parametrize(("path", "status"), [("herald/notify/1-0", 404), ("herald/notify/x", 400), ("no/g/1-0", 404)])
async def test_one_that_is_none(operator: AsyncClient, hub: Hub, path: str, status: int) -> None:
    assert (await operator.get(f"{PATH}/{path}")).status_code == status
    assert (await operator.post(f"{PATH}/{path}", {"payload": "1", "redrive": ""})).status_code == status


async def test_without_a_group_it_says_that_nobody_would_get_it(operator: AsyncClient, hub: Hub, redis: Redis) -> None:
    await bury(redis)
    path = await path_of(redis)
    for payload in ('{"n": 2}', (await operator.get(path)).context["pretty"]):
        answer = await operator.post(path, {"payload": payload, "redrive": ""})
        assert answer.status_code == 404
        assert "there is no group notify" in unescape(answer.content.decode())
