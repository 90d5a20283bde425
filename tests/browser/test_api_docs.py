"""The pages of the HTTP API: they are there, with every address, and one can be tried on them."""

from playwright.async_api import expect

from tests.browser.pages import Console


async def test_the_api_is_shown_and_can_be_tried(console: Console, traffic: None) -> None:
    async with console.page("operator") as page:
        await page.goto("/api/docs")
        address = page.locator(".opblock", has_text="/api/ipc/services").first
        await address.locator(".opblock-summary-control").click()
        await address.get_by_role("button", name="Try it out").click()
        await address.get_by_role("button", name="Execute").click()
        await expect(address.locator(".live-responses-table td.response-col_status").last).to_contain_text("200")
        await expect(address.locator(".live-responses-table")).to_contain_text('"success": true')
