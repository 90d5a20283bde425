"""How a page is kept up to date: it asks where no events come, listens again, loses nothing, and says when it ends."""

import asyncio

from playwright.async_api import Page, Route, expect

from tests.browser.pages import Console, is_stream, no_stream
from tests.clients import Client, attached

LOOK = """(isHidden) => {
    Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""
ACT = """async () => {
    const { act } = await import("/static/console/live.js");
    return act("/admin/console/dead-letters/redrive", { letter: "x" }).catch((error) => error.message);
}"""
LISTENS_AGAIN_MS = 62_000
SILENT_MS = 21_000
FEED = "**/console/**feed*"


async def says(page: Page, state: str) -> None:
    await expect(page.locator("#live")).to_have_attribute("data-state", state)


async def shows(page: Page, *events: str) -> None:
    await expect(page.locator("#tail [data-event]")).to_have_text(events[::-1])


async def emit(client: Client, event: str) -> None:
    await client.ask(type="emit", event=event, target="prefetch", ack=True)


async def test_whichever_way_they_come_no_events_are_lost(console: Console) -> None:
    """On a page that begins with none: asked for, listened to again after a minute, and come while nobody looked."""
    async with (
        attached(console.neighbour, "herald") as herald,
        console.page("viewer", allowed=("502 (Bad Gateway)",)) as page,
    ):
        await page.clock.install()
        await page.route(FEED, no_stream)
        await page.goto("/admin/console/explorer?log=exprsn-prefetch&pattern=live:*")
        await says(page, "polling")
        await emit(herald, "live:one")
        await shows(page, "live:one")
        await emit(herald, "live:two")
        await shows(page, "live:one", "live:two")
        await page.unroute(FEED)
        await page.clock.fast_forward(LISTENS_AGAIN_MS)
        await says(page, "live")
        await page.evaluate(LOOK, True)
        await says(page, "paused")
        await emit(herald, "live:three")
        async with page.expect_request(lambda request: is_stream(request) and "place=" in request.url):
            await page.evaluate(LOOK, False)
        await says(page, "live")
        await shows(page, "live:one", "live:two", "live:three")


async def test_a_stream_that_is_silent_is_given_up_and_what_is_still_in_flight_says_nothing(console: Console) -> None:
    """As behind a proxy that holds events back; whoever hides and shows the page meanwhile starts nothing twice."""
    polls: list[Route] = []
    has_asked = asyncio.Event()
    holds_back = True

    async def hold(route: Route) -> None:
        if not is_stream(route.request):
            polls.append(route)
            has_asked.set()
        elif not holds_back:
            await route.continue_()

    async with console.page("viewer") as page:
        await page.clock.install()
        await page.route(FEED, hold)
        async with page.expect_request(is_stream):
            await page.goto("/admin/console/map")
        await page.clock.fast_forward(SILENT_MS)
        async with asyncio.timeout(15):
            await has_asked.wait()
        holds_back = False
        await page.evaluate(LOOK, True)
        await says(page, "paused")
        await page.evaluate(LOOK, False)
        await says(page, "live")
        async with page.expect_response(lambda answer: not is_stream(answer.request)):
            await polls[0].continue_()
        await page.clock.fast_forward(SILENT_MS // 3)
        # What is asked for after it has come after it.
        assert await page.evaluate("async () => (await fetch(location.href)).status") == 200
        assert len(polls) == 1
        await says(page, "live")


async def test_a_login_that_has_ended_is_said_by_the_page_and_by_what_is_done_on_it(console: Console) -> None:
    async with console.page("viewer", allowed=("403 (Forbidden)",), is_apart=True) as page:
        await page.goto("/admin/console/map")
        await says(page, "live")
        await page.context.clear_cookies(name="__Host-sessionid")
        assert "log in again" in await page.evaluate(ACT)
        # The open feed may go on until the server looks; a new one may not begin.
        await page.evaluate(LOOK, False)
        await says(page, "ended")
        await expect(page.locator("#live")).to_contain_text("log in again")
        await page.context.clear_cookies()
        assert "load it again" in await page.evaluate(ACT)
