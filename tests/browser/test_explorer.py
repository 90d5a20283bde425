"""The event explorer before one's eyes: what comes appears, what is filtered does not, and pausing holds it back."""

from playwright.async_api import expect

from tests.browser.pages import Console
from tests.clients import attached

EVIL = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


async def test_what_comes_appears_filtered_and_held_back_while_paused(console: Console) -> None:
    async with attached(console.neighbour, "herald") as herald, console.page("viewer") as page:
        await page.goto("/admin/console/explorer?pattern=mail:*")
        # A log of its own: another one has what other tests of the run have emitted.
        await page.select_option("#id_log", label="svr")
        await page.fill("#id_where", '{"$gt": [{"$var": "data.n"}, 5]}')
        await page.get_by_role("button", name="Filter").click()
        live, rows = page.locator("#live"), page.locator("#tail tr")
        await expect(live).to_have_text("live")
        await expect(page.get_by_text("There are no events of this kind")).to_be_visible()
        for event, number in (("mail:one", 6), ("mail:two", 3), ("post:three", 9), ("mail:four", 7)):
            await herald.ask(type="emit", event=event, data={"n": number, "text": EVIL}, target="svr", ack=True)
        await expect(rows).to_have_count(2)
        await expect(page.locator("#tail [data-event]")).to_have_text(["mail:four", "mail:one"])
        await expect(rows.first).to_contain_text("onerror")
        await page.get_by_role("button", name="Pause").click()
        await herald.ask(type="emit", event="mail:five", data={"n": 8}, target="svr", ack=True)
        await expect(live).to_have_text("paused, 1 new")
        await expect(rows).to_have_count(2)
        await page.get_by_role("button", name="Resume").click()
        await expect(page.locator("#tail [data-event]")).to_have_text(["mail:five", "mail:four", "mail:one"])
        assert "owned" not in await page.title()


async def test_a_mistake_in_the_condition_is_shown_with_its_place(console: Console) -> None:
    async with console.page("viewer") as page:
        await page.goto("/admin/console/explorer")
        await page.fill("#id_where", '{"$and": [{"$nope": 1}]}')
        await page.press("#id_where", "Enter")
        await expect(page.locator(".error")).to_contain_text("/$and/0/$nope")


async def test_a_test_event_is_explained_and_emitted_and_its_way_is_shown(console: Console) -> None:
    async with attached(console.neighbour, "atlas") as atlas, console.page("operator") as page:
        await atlas.ask(type="subscribe", events=["map:*"], group="draw")
        await page.goto("/admin/console/explorer/emit")
        await page.fill("#id_event", "map:changed")
        await page.fill("#id_payload", '{"n": 1}')
        await page.get_by_role("button", name="Explain").click()
        verdict = page.locator(".verdicts li", has_text="atlas/draw")
        await expect(verdict).to_contain_text("gets it")
        await page.get_by_role("button", name="Emit it").click()
        event = await atlas.event()
        assert (event["source"], event["meta"]) == ("exprsn-bridge", {"test": True})
        await atlas.say({"type": "ack", "deliveries": [event["delivery"]]})
        assert await atlas.is_well()
        await page.locator(".done a").click()
        await expect(page.locator(".badge", has_text="test")).to_be_visible()
        await expect(page.locator("tr", has_text="atlas/draw")).to_contain_text("acked")
