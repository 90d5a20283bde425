"""Long operations before one's eyes: progress moves, an operator cancels and the service is told, a viewer cannot."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page, expect

from ipc import CancelledByOperator, IPCWorker, Operation
from ipc.transports.websocket import WebSocketTransport
from tests.browser.pages import NARROW, Console, no_stream
from tests.browser.test_pages import looked_at

LOOKED_AT_S = 60.0
"""As long as a browser may take to look at several pages, each in all its sizes and colours."""
POST = """async () => {
    const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
    const answer = await fetch(`${location.pathname}/cancel`, { method: "POST", headers: { "X-CSRFToken": token } });
    return answer.status;
}"""


class Work:
    """An operation of a worker, as far as a test says."""

    def __init__(self, operation: Operation, at: "asyncio.Task[None]") -> None:
        self.operation = operation
        self._at = at

    async def ends(self) -> None:
        """Let it end, or wait for what has ended it."""
        async with asyncio.timeout(LOOKED_AT_S):
            await self._at


@asynccontextmanager
async def working(console: Console, name: str, release: asyncio.Event) -> AsyncIterator[Work]:
    """Be at an operation of workflow, on the other bridge, until it is released or cancelled."""
    worker = IPCWorker("workflow")
    begun: asyncio.Future[Operation] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        async with worker.operation(name, target="pulse", total=200) as operation:
            begun.set_result(operation)
            await release.wait()

    await worker.start(WebSocketTransport(console.neighbour.ws_url, "workflow", ca_file=console.neighbour.ca_file))
    try:
        async with asyncio.timeout(LOOKED_AT_S):
            await worker.ready()
            task = asyncio.create_task(work())
            yield Work(await begun, task)
    finally:
        release.set()
        await asyncio.gather(task, return_exceptions=True)
        await worker.stop()


def line(page: Page, work: Work) -> str:
    return f"tr[data-operation='{work.operation.id}']"


async def moves(page: Page, work: Work) -> None:
    """See progress without loading the page again, until the operation ends before one's eyes."""
    bar = page.locator(f"#running {line(page, work)}").get_by_role("progressbar")
    for done, said in ((50, "25 %, row 50"), (150, "75 %, row 150")):
        await work.operation.progress(done, f"row {done}")
        await expect(bar).to_have_attribute("aria-valuetext", said)


@pytest.mark.parametrize("is_cut", [False, True])
async def test_progress_moves_and_what_has_ended_goes_down(console: Console, is_cut: bool) -> None:
    """By events, and by asking again and again where a proxy lets no stream through."""

    release = asyncio.Event()
    async with console.page("viewer", allowed=("502 (Bad Gateway)",) if is_cut else ()) as page:
        if is_cut:
            await page.route("**/console/feed*", no_stream)
        await page.goto("/admin/console/operations?service=exprsn-workflow")
        await expect(page.locator("#live")).to_have_attribute("data-state", "polling" if is_cut else "live")
        async with working(console, "import", release) as work:
            await moves(page, work)
            release.set()
            await work.ends()
            row = page.locator(f"#ended {line(page, work)}")
            await expect(row.locator("[data-badge]")).to_have_text("done")
            await expect(page.locator(f"#running {line(page, work)}")).to_have_count(0)


async def test_an_operator_cancels_one_and_its_service_is_told(console: Console) -> None:
    async with working(console, "export", asyncio.Event()) as work:
        async with console.page("operator") as page, console.page("viewer") as looking:
            await looking.goto("/admin/console/operations")
            await expect(looking.locator(f"#running {line(looking, work)}")).to_be_visible()
            await page.goto("/admin/console/operations")
            link = page.locator(line(page, work)).get_by_role("link", name="Cancel…")
            await link.focus()
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("heading", name="Cancel it?")).to_be_visible()
            await page.get_by_role("button", name="Cancel the operation").press("Enter")
            await expect(page.get_by_text("is cancelled, and its service is told")).to_be_visible()
            await expect(page.locator("[data-badge]")).to_have_text("cancelled")
            await expect(page.get_by_role("button", name="Cancel the operation")).to_be_hidden()
            await expect(looking.locator(f"#ended {line(looking, work)}")).to_contain_text("cancelled by operator")
        with pytest.raises(CancelledByOperator):
            await work.ends()
        async with console.page("admin") as page:
            await page.goto(f"/admin/console/audit?action=operation.cancel&subject={work.operation.id}")
            await expect(page.locator("tbody tr")).to_contain_text("export")


async def test_a_viewer_sees_it_and_cannot_cancel_it(console: Console) -> None:
    release = asyncio.Event()
    async with working(console, "reindex", release) as work:
        async with console.page("viewer", allowed=("403 (Forbidden)",)) as page:
            await page.goto("/admin/console/operations")
            await page.locator(line(page, work)).get_by_role("link", name="reindex").click()
            await expect(page.locator("[data-badge]")).to_have_text("running")
            await expect(page.get_by_role("button", name="Cancel the operation")).to_have_count(0)
            # Its form to log out has the token that the browser sends with what it posts.
            assert await page.evaluate(POST) == 403
        assert not work.operation.cancelled
        release.set()
        await work.ends()


async def test_the_pages_are_well_made(console: Console, axe: str) -> None:
    async with working(console, "import", asyncio.Event()) as work, console.page("operator") as page:
        await work.operation.progress(20, "row 20 " + "long " * 60)
        await page.goto("/admin/console/operations")
        await expect(page.locator(line(page, work))).to_contain_text("10 %")
        wrong = await looked_at(page, axe)
        await page.goto(f"/admin/console/operations/{work.operation.id}")
        wrong += await looked_at(page, axe)
        await page.goto("/admin/console/operations?service=exprsn-setup")
        wrong += await looked_at(page, axe)
    assert wrong == []


async def test_on_a_narrow_screen_it_is_cancelled_by_its_button(console: Console) -> None:
    async with working(console, "tiny", asyncio.Event()) as work:
        async with console.page("operator", size=NARROW) as page:
            await page.goto("/admin/console/operations")
            await page.locator(line(page, work)).get_by_role("link", name="Cancel…").click()
            await page.get_by_role("button", name="Cancel the operation").click()
            await expect(page.locator("[data-badge]")).to_have_text("cancelled")
        with pytest.raises(CancelledByOperator):
            await work.ends()
