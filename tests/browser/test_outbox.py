"""The outbox in the admin: who may have rows sent again chooses what to do, without a complaint of the browser."""

from playwright.async_api import expect

from tests.browser.pages import Console
from tests.browser.test_pages import looked_at

OUTBOX = "/admin/ipc/outboxevent/"


async def test_an_operator_chooses_what_to_do_and_a_viewer_cannot(console: Console, axe: str) -> None:
    async with console.page("operator") as page, console.page("viewer") as looking:
        await page.goto(OUTBOX)
        await expect(page.locator("#changelist-actions select")).to_have_count(1)
        await looking.goto(OUTBOX)
        await expect(looking.locator("#changelist-actions")).to_have_count(0)
        assert await looked_at(page, axe) == []
