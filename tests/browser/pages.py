"""A browser's page whose every complaint is kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from playwright.async_api import Browser, BrowserContext, Page, Request, Route, StorageState

from tests.servers import ServerProcess

WIDE: Final = (1440, 900)
NARROW: Final = (375, 812)
WAIT_MS: Final = 15_000


@dataclass(frozen=True, slots=True)
class Console:
    """A bridge whose console is looked at, and the browser."""

    server: ServerProcess
    neighbour: ServerProcess
    browser: Browser
    logins: dict[str, StorageState]
    contexts: dict[str, BrowserContext] = field(default_factory=dict)

    @asynccontextmanager
    async def page(
        self, role: str, *, size: tuple[int, int] = WIDE, allowed: tuple[str, ...] = (), is_apart: bool = False
    ) -> AsyncIterator[Page]:
        """Open a page of somebody in a role; what the browser complains of fails the test, but for what is allowed.

        Args:
            role: who looks.
            size: of the window.
            allowed: parts of what the browser may say.
            is_apart: whether the page has cookies and a storage of its own, for who changes them. Others share those
                of their role, and so what the browser has loaded already.

        """
        context = await self._context(role) if is_apart else await self._shared(role)
        page = await context.new_page()
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        try:
            yield page
        finally:
            await (context.close() if is_apart else page.close())
        wrong = [said for said in complaints if not any(each in said for each in allowed)]
        assert not wrong, wrong

    async def _shared(self, role: str) -> BrowserContext:
        if role not in self.contexts:
            self.contexts[role] = await self._context(role)
        return self.contexts[role]

    async def _context(self, role: str) -> BrowserContext:
        context = await self.browser.new_context(
            base_url=self.server.url, ignore_https_errors=True, storage_state=self.logins[role]
        )
        context.set_default_timeout(WAIT_MS)
        return context


def is_stream(request: Request) -> bool:
    """Tell whether a request is for events, and not for one JSON."""
    return "text/event-stream" in request.headers.get("accept", "")


async def no_stream(route: Route) -> None:
    """Answer as a proxy that lets no stream through: whoever asks for events gets none, and all else goes on."""
    await (route.fulfill(status=502) if is_stream(route.request) else route.continue_())
