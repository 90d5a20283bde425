"""The pages that the navigation does not lead to, wide and narrow, light and dark, full of things."""

from tests.browser.pages import Console
from tests.browser.test_pages import all_looked_at, looked_at
from tests.clients import attached

PAGES = ("explorer/event", "explorer/emit", "tokens/mint", "tokens/inspect", "tokens/revoke")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_forms(console: Console, axe: str) -> None:
    assert await all_looked_at(console, axe, [f"/admin/console/{path}" for path in PAGES]) == []


async def test_an_event_a_group_and_a_letter(console: Console, axe: str) -> None:
    async with attached(console.server, "prefetch") as prefetch, console.page("root") as page:
        await prefetch.ask(type="subscribe", events=["page:*"], group="warm", where={"$ne": [{"$var": "data.n"}, 9]})
        events = []
        for number in range(3):
            data = {"n": number, "text": "long " * 200}
            ok = await prefetch.ask(type="emit", event="page:seen", data=data, traceparent=TRACE, ack=True)
            events.append(ok["id"])
        delivery = (await prefetch.event())["delivery"]
        await prefetch.say({"type": "nack", "deliveries": [delivery], "reason": "no", "reject": True})
        assert await prefetch.is_well()
        paths = ["explorer", f"explorer/event?id={events[1]}", "groups", "groups/prefetch/warm"]
        paths += ["dead-letters?service=exprsn-prefetch", "tokens/revoke?service=exprsn-prefetch", "limits"]
        wrong = await all_looked_at(console, axe, [f"/admin/console/{path}" for path in paths])
        await page.goto("/admin/console/dead-letters?service=exprsn-prefetch")
        await page.locator("#letters tbody a").first.click()
        wrong += await looked_at(page, axe)
        await page.goto("/admin/console/explorer/emit?event=page:seen")
        await page.get_by_role("button", name="Explain").click()
        wrong += await looked_at(page, axe)
        await page.goto("/admin/console/tokens/mint")
        wrong += await looked_at(page, axe)
        await page.select_option("#id_service", "exprsn-nexus")
        await page.check("[name=permissions_usual][value=jsonlex]")
        await page.get_by_role("button", name="Mint").click()
        wrong += await looked_at(page, axe)
        await page.goto("/admin/console/tokens")
        wrong += await looked_at(page, axe)
    assert wrong == []
