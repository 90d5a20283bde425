"""The keys of the console, and what the theme has made for the mouse alone."""

import pytest
from playwright.async_api import expect

from tests.browser.pages import NARROW, Console


async def test_keys_lead_from_page_to_page(console: Console) -> None:
    async with console.page("root") as page:
        await page.goto("/admin/")
        for keys, path in (("gs", "/admin/console/services"), ("gm", "/admin/console/map"), ("go", "/admin/")):
            await page.keyboard.type(keys)
            await page.wait_for_url(f"**{path}")


async def test_a_question_mark_shows_them(console: Console) -> None:
    async with console.page("viewer") as page:
        await page.goto("/admin/console/services")
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
        await expect(page.locator("#shortcuts a[data-key=s]")).to_have_text("Services")
        await page.keyboard.press("Escape")
        await expect(page.locator("#shortcuts")).to_be_hidden()


async def test_what_is_written_into_a_field_is_no_key(console: Console) -> None:
    async with console.page("root") as page:
        await page.goto("/admin/console/audit")
        await page.keyboard.press("/")
        await page.keyboard.type("gs?")
        assert await page.evaluate("document.activeElement.value") == "gs?"
        await expect(page.locator("#shortcuts")).to_be_hidden()
        assert page.url.endswith("/admin/console/audit")


async def test_the_first_tab_leads_to_the_content(console: Console) -> None:
    async with console.page("viewer") as page:
        await page.goto("/admin/console/services")
        await page.keyboard.press("Tab")
        await expect(page.locator(".skip")).to_be_focused()
        await expect(page.locator(".skip")).to_be_in_viewport()
        await page.keyboard.press("Enter")
        assert page.url.endswith("#content")


async def test_the_account_is_opened_by_the_keyboard(console: Console) -> None:
    async with console.page("viewer", is_apart=True) as page:
        await page.goto("/admin/console/services")
        account = page.locator("div[role=button]", has_text="viewer")
        await account.focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="Log out")).to_be_visible()
        await page.get_by_role("button", name="Dark").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("html")).to_have_class("dark")


@pytest.mark.parametrize("path", ["/admin/", "/admin/console/services"])
async def test_on_a_narrow_screen_the_navigation_is_opened_by_the_keyboard(console: Console, path: str) -> None:
    async with console.page("viewer", size=NARROW) as page:
        await page.goto(path)
        await expect(page.locator("#nav-sidebar")).to_be_hidden()
        await page.get_by_role("button", name="Navigation").focus()
        await page.keyboard.press("Enter")
        await page.locator("#nav-sidebar").get_by_role("link", name="Map").click()
        await page.wait_for_url("**/console/map")
