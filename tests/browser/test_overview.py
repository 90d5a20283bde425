"""The overview before one's eyes: figures and curves move, by events or by asking, and are read without a mouse."""

import re

from playwright.async_api import Page, Route, expect

from tests.browser.pages import Console, is_stream

MOVES = """(before) => document.querySelector("[data-chart=events] path.line.s1").getAttribute("d") !== before"""
NOTHING = "\N{EN DASH}"
VALUE = "[data-tile=emitted] [data-value]"


async def curve(page: Page) -> str:
    return await page.locator("[data-chart=events] path.line.s1").get_attribute("d") or ""


async def test_figures_and_curves_move(console: Console, traffic: None) -> None:
    async with console.page("viewer") as page:
        await page.goto("/admin/")
        await expect(page.locator("#live")).to_have_attribute("data-state", "live")
        for tile in ("emitted", "delivered", "calls", "errors", "sessions"):
            await expect(page.locator(f"[data-tile={tile}] [data-value]")).not_to_have_text(NOTHING)
            await expect(page.locator(f"[data-tile={tile}] [data-value]")).not_to_have_text("0")
        before = await curve(page)
        await page.wait_for_function(MOVES, arg=before)


async def test_without_events_it_asks_again_and_again(console: Console, traffic: None) -> None:
    """As where a proxy lets no stream through; the browser says so itself, twice."""

    async def cut(route: Route) -> None:
        await (route.abort() if is_stream(route.request) else route.continue_())

    async with console.page("viewer", allowed=("net::ERR_FAILED",)) as page:
        await page.route("**/console/feed*", cut)
        await page.goto("/admin/")
        await expect(page.locator("#live")).to_have_attribute("data-state", "polling")
        await expect(page.locator(VALUE)).not_to_have_text(NOTHING)
        await page.wait_for_function(MOVES, arg=await curve(page))


async def test_curves_that_could_not_be_had_come_later(console: Console, traffic: None) -> None:
    """The figures come meanwhile: the feed does not wait for them."""
    async with console.page("viewer", allowed=("502 (Bad Gateway)",)) as page:
        await page.route("**/console/series*", lambda route: route.fulfill(status=502, body="<html>"))
        await page.goto("/admin/")
        await expect(page.locator("#live")).to_have_attribute("data-state", "live")
        await expect(page.locator(VALUE)).not_to_have_text(NOTHING)
        chart = page.locator("[data-chart=events] svg")
        await expect(chart).to_have_attribute("aria-label", re.compile("no values yet"))
        await page.unroute("**/console/series*")
        await page.wait_for_function(MOVES, arg=None)


async def test_what_a_figure_means_is_said_to_who_moves_to_it(console: Console) -> None:
    async with console.page("viewer") as page:
        await page.goto("/admin/")
        tile = page.locator("[data-tile=lag]")
        await expect(tile.locator(".meaning")).to_be_hidden()
        await tile.focus()
        await page.keyboard.press("Shift+Tab")
        await page.keyboard.press("Tab")
        await expect(tile.locator(".meaning")).to_be_visible()


async def test_a_chart_is_read_with_the_arrow_keys(console: Console, traffic: None) -> None:
    async with console.page("viewer") as page:
        await page.goto("/admin/")
        chart = page.locator("[data-chart=events] svg")
        await page.wait_for_function(MOVES, arg=None)
        await chart.focus()
        await page.keyboard.press("ArrowLeft")
        await expect(page.locator("[data-chart=events] .cursor")).to_have_attribute("visibility", "visible")
        said = await chart.get_attribute("aria-label")
        await page.keyboard.press("PageUp")
        await expect(chart).not_to_have_attribute("aria-label", said or "")


async def test_curves_go_back_an_hour_and_a_day(console: Console, traffic: None) -> None:
    async with console.page("viewer") as page:
        await page.goto("/admin/")
        for span in ("1h", "24h", "5m"):
            async with page.expect_response(f"**/console/series?span={span}"):
                await page.click(f"[data-span='{span}']")
            await expect(page.locator(f"[data-span='{span}']")).to_have_attribute("aria-pressed", "true")
