"""The repairs of operators before one's eyes: a letter that was edited arrives, a span comes again, a token ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from playwright.async_api import Dialog, Page, expect

from tests.browser.pages import Console
from tests.clients import Client, attached

GROUP = "deliver"


@pytest_asyncio.fixture(loop_scope="session")
async def herald(console: Console) -> AsyncIterator[Client]:
    """The only member of a group, on the other bridge."""
    async with attached(console.neighbour, "herald") as client:
        ok = await client.ask(type="subscribe", events=["letter:*"], group=GROUP)
        assert ok["type"] == "ok"
        yield client
        await client.ask(type="unsubscribe", events=[], group=GROUP, forget=True)


async def reject(herald: Client, *addresses: str) -> list[dict[str, Any]]:
    """Emit events and give them up, and return them."""
    events = []
    for address in addresses:
        await herald.ask(type="emit", event="letter:sent", data={"address": address}, target="herald", ack=True)
        event = await herald.event()
        await herald.say(
            {"type": "nack", "deliveries": [event["delivery"]], "reason": f"no way to {address}", "reject": True}
        )
        events.append(event)
    assert await herald.is_well()
    return events


async def listed(page: Page, count: int) -> None:
    """Load the list of the group until so many letters are in it."""
    async with asyncio.timeout(15):
        while await page.locator("#letters tbody tr").count() != count:
            await page.goto(f"/admin/console/dead-letters?service=exprsn-herald&group={GROUP}")


async def test_a_letter_is_tried_edited_redriven_and_arrives(console: Console, herald: Client) -> None:
    (first,) = await reject(herald, "nowhere")
    async with console.page("operator", allowed=("400 (Bad Request)",)) as page:
        await listed(page, 1)
        await page.locator("#letters tbody a").click()
        await expect(page.get_by_text("no way to nowhere")).to_be_visible()
        await page.fill("#id_payload", '{"address": "ann@example.org"')
        await page.get_by_role("button", name="Redrive").click()
        await expect(page.locator(".error")).to_contain_text("is not JSON")
        await page.fill("#id_payload", '{"address": "ann@example.org"}')
        await page.fill("#id_expression", '{"$concat": ["to ", {"$var": "data.address"}]}')
        await page.get_by_role("button", name="Try").click()
        await expect(page.locator("#result")).to_have_text('"to ann@example.org"')
        await page.get_by_role("button", name="Redrive").click()
        await expect(page.get_by_text("Edited and redriven")).to_be_visible()
        again = await herald.event()
        assert (again["id"], again["data"], again["attempt"]) == (first["id"], {"address": "ann@example.org"}, 1)
        assert again["edited"].startswith("operator ")
        await herald.say({"type": "ack", "deliveries": [again["delivery"]]})
        await page.goto("/admin/console/audit?action=deadletters.edit")
        await expect(page.locator("tbody tr").first).to_contain_text(f"exprsn-herald/{GROUP}")


async def test_all_that_match_are_redriven_and_others_discarded_for_a_reason(console: Console, herald: Client) -> None:
    await reject(herald, "a", "b", "c")
    async with console.page("operator") as page:
        asked: list[str] = []

        async def agree(dialog: Dialog) -> None:
            asked.append(dialog.message)
            await dialog.accept()

        page.on("dialog", agree)
        await listed(page, 3)
        await page.locator("#letters [name=letter]").first.check()
        await page.fill("#reason", "a is gone")
        await page.get_by_role("button", name="Discard selected").click()
        await expect(page.get_by_text("1 discarded")).to_be_visible()
        await page.get_by_role("button", name="Redrive all that match").click()
        await expect(page.locator("#many p")).to_contain_text("2 done; that is all.")
        assert asked == [f"Redrive 2 dead letters of herald/{GROUP}?"]
        again = [await herald.event() for _ in range(2)]
        assert sorted(event["data"]["address"] for event in again) == ["b", "c"]
        await herald.say({"type": "ack", "deliveries": [event["delivery"] for event in again]})
        await page.get_by_role("link", name="Show what is left").click()
        await expect(page.get_by_text("No dead letter is of this kind")).to_be_visible()


async def test_a_replay_arrives_marked(console: Console, herald: Client) -> None:
    for number in range(3):
        await herald.ask(type="emit", event="letter:sent", data={"n": number}, target="herald", ack=True)
        await herald.say({"type": "ack", "deliveries": [(await herald.event())["delivery"]]})
    async with console.page("operator") as page:
        await page.goto(f"/admin/console/groups/herald/{GROUP}")
        await page.select_option("#id_log", "exprsn-herald")
        await page.fill("#id_first", "1h")
        await page.fill("#id_pattern", "letter:sent")
        await page.get_by_role("button", name="Replay").click()
        replay = page.locator(".progress[data-state=done]")
        await expect(replay).to_contain_text("come again")
        mark = await replay.get_attribute("data-id")
        again = [await herald.event()]
        while again[-1]["data"] != {"n": 2}:
            await herald.say({"type": "ack", "deliveries": [again[-1]["delivery"]]})
            again.append(await herald.event())
        await herald.say({"type": "ack", "deliveries": [again[-1]["delivery"]]})
        assert {event["replay"]["id"] for event in again} == {mark}
        assert [event["data"] for event in again[-3:]] == [{"n": number} for number in range(3)]
        assert {event["log"] for event in again} == {f"exprsn-herald/{GROUP}"}


async def test_a_token_is_minted_used_and_revoked_and_its_session_closes(console: Console) -> None:
    async with console.page("admin") as page:
        await page.goto("/admin/console/tokens/mint")
        await page.select_option("#id_service", "exprsn-nexus")
        await page.check("[name=permissions_usual][value='subscribe:*']")
        await page.get_by_role("button", name="Mint").click()
        token = await page.input_value("#token")
        header = {"Authorization": f"Bearer {token}"}
        async with attached(console.server, "nexus", additional_headers=header) as nexus:
            await page.goto("/admin/console/tokens?service=exprsn-nexus")
            async with asyncio.timeout(15):
                while await page.locator("tbody tr td:nth-child(5)").first.inner_text() != "1":
                    await page.reload()
            await page.locator("tbody").get_by_role("link", name="Revoke…").first.click()
            await expect(page.get_by_text("1 session will be closed")).to_be_visible()
            async with console.page("viewer") as looking:
                await looking.goto("/admin/console/services/nexus")
                await looking.click("table tbody a")
                await expect(looking.locator("#state")).to_have_text("attached")
                await page.get_by_role("button", name="Revoke").click()
                await expect(page.get_by_text("is revoked")).to_be_visible()
                await expect(looking.locator("#state")).to_have_text("has left")
            assert await nexus.close_code() == 4430
