"""Drift before one's eyes: the overview warns of data that does not fit, and leads to where and why."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import expect

from tests.browser.pages import Console
from tests.browser.test_pages import looked_at
from tests.clients import Client, attached

SCHEMA = {"type": "object", "properties": {"cents": {"type": "integer"}}, "required": ["cents"]}


@pytest_asyncio.fixture(loop_scope="session")
async def payments(console: Console) -> AsyncIterator[Client]:
    """A service that has declared an event, on the other bridge."""
    async with attached(console.neighbour, "payments") as client:
        declared = {"event": "payment:settled", "schema": SCHEMA, "description": "A payment is there."}
        assert (await client.ask(type="declare", events=[declared]))["type"] == "ok"
        yield client


async def test_what_does_not_fit_is_warned_of_and_found(console: Console, payments: Client, axe: str) -> None:
    async with console.page("viewer") as page:
        await page.goto("/admin/")
        await expect(page.locator("#live")).to_have_attribute("data-state", "live")
        await payments.ask(type="emit", event="payment:settled", data={"cents": "many"}, ack=True)
        warning = page.locator("#drift")
        await expect(warning).to_contain_text("payment:settled of payments")
        wrong = await looked_at(page, axe)
        await warning.get_by_role("link").click()
        row = page.locator("tbody tr", has_text="payment:settled")
        await expect(row).to_contain_text("/cents")
        wrong += await looked_at(page, axe)
        await row.get_by_role("link", name="payment:settled").click()
        await expect(page.get_by_text("drifts")).to_be_visible()
        await expect(page.get_by_label("Schema")).to_contain_text('"integer"')
        wrong += await looked_at(page, axe)
    assert wrong == []
