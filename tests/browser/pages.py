"""A browser's page whose every complaint is kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from playwright.async_api import Browser, Page, Request, StorageState

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

    @asynccontextmanager
    async def page(
        self, role: str, *, size: tuple[int, int] = WIDE, allowed: tuple[str, ...] = ()
    ) -> AsyncIterator[Page]:
        """Open a page of somebody in a role; what the browser complains of fails the test, but for what is allowed."""
        context = await self.browser.new_context(
            base_url=self.server.url,
            ignore_https_errors=True,
            storage_state=self.logins[role],
            viewport={"width": size[0], "height": size[1]},
        )
        context.set_default_timeout(WAIT_MS)
        page = await context.new_page()
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        try:
            yield page
        finally:
            await context.close()
        assert [said for said in complaints if not any(each in said for each in allowed)] == []


def is_stream(request: Request) -> bool:
    """Tell whether a request is for events, and not for one JSON."""
    return "text/event-stream" in request.headers.get("accept", "")
