"""Every page, wide and narrow, light and dark: no complaint of the browser, nothing too wide, no fault by axe."""

import asyncio
from collections.abc import Sequence
from typing import Final

import pytest
from playwright.async_api import Page, expect

from tests.browser.axe import ALL, SIGHT, faults
from tests.browser.pages import NARROW, WIDE, Console

LINKS: Final = "all => all.map(each => new URL(each.href).pathname)"
TOO_WIDE: Final = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
DRESS: Final = "scheme => document.documentElement.className = scheme"
SCHEMES: Final = ("light", "dark")
AT_ONCE: Final = 2
"""The browser and the bridge are busy in turn."""


async def looked_at(page: Page, axe: str) -> list[str]:
    """Return what is wrong with a page, in each size and colour."""
    found = []
    # The explorer would grow from look to look.
    if await (pause := page.locator("#pause")).is_visible():
        await pause.click()
    for size in (WIDE, NARROW):
        await page.emulate_media(reduced_motion="reduce")
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        for scheme in SCHEMES:
            # As the switch of the theme does it.
            await page.evaluate(DRESS, scheme)
            found += [
                f"{page.url} {size[0]} {scheme}: {each}"
                for each in await faults(page, axe, SIGHT if (size, scheme) != (WIDE, "light") else ALL)
            ]
        if wide := await page.evaluate(TOO_WIDE):
            found.append(f"{page.url} is {wide} px too wide for {size[0]}")
    return found


async def all_looked_at(console: Console, axe: str, paths: Sequence[str]) -> list[str]:
    """Return what is wrong with pages, of which some are looked at beside each other."""

    async def some(part: Sequence[str]) -> list[str]:
        found = []
        async with console.page("root") as page:
            for path in part:
                await page.goto(path)
                found += await looked_at(page, axe)
        return found

    parts = await asyncio.gather(*(some(paths[at::AT_ONCE]) for at in range(AT_ONCE)))
    return [each for part in parts for each in part]


async def test_all_that_the_navigation_leads_to(console: Console, traffic: None, axe: str) -> None:
    async with console.page("root") as page:
        await page.goto("/admin/")
        paths = await page.locator("#nav-sidebar li a").evaluate_all(LINKS)
    assert await all_looked_at(console, axe, paths) == []


@pytest.mark.parametrize("service", ["gallery", "setup"])
async def test_a_service_that_is_there_and_one_that_is_not(
    console: Console, traffic: None, axe: str, service: str
) -> None:
    async with console.page("operator") as page:
        await page.goto(f"/admin/console/services/{service}")
        wrong = await looked_at(page, axe)
        if service == "gallery":
            await page.locator("table tbody th a").first.click()
            await page.wait_for_selector("#state")
            wrong += await looked_at(page, axe)
    assert wrong == []


async def test_the_page_to_log_in(console: Console, axe: str) -> None:
    async with console.page("viewer", is_apart=True) as page:
        await page.context.clear_cookies()
        await page.goto("/admin/login/")
        assert await looked_at(page, axe) == []


async def test_the_colours_are_those_of_the_system(console: Console) -> None:
    async with console.page("viewer") as page:
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            await page.goto("/admin/console/services")
            await expect(page.locator("html")).to_have_class("dark" if scheme == "dark" else "")
