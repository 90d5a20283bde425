"""Two bridges of one mesh with real traffic, Chromium, and people of each role who are logged in."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import StorageState, StorageStateCookie, async_playwright, expect

from exprsn.embedded import EmbeddedValkey
from tests import servers
from tests.browser.axe import AxeError, axe_script
from tests.browser.pages import WAIT_MS, Console
from tests.clients import Client, attached
from tests.logins import people
from tests.servers import ServerProcess

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
EVERY_S: Final = 0.1

# Some of what a page shows is looked for every five seconds only, which is as long as Playwright waits by itself.
expect.set_options(timeout=WAIT_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder, and let them share one event loop with the browser."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium."""
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    if found is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    return found


@pytest.fixture(scope="session")
def axe() -> str:
    """The text of axe-core."""
    try:
        return axe_script().read_text(encoding="utf-8")
    except AxeError as error:
        pytest.skip(str(error))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def console(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Console]:
    """The console of a bridge, beside another bridge of the same mesh."""
    folder = tmp_path_factory.mktemp("console")
    certs_dir = servers.certificates(folder / "certs")
    with EmbeddedValkey(folder / "valkey") as valkey:
        # Static files come from the server itself where debugging is on.
        # Chromium gives up a file when it finds three connections closed that it had kept, which all are after 5 s.
        kept = {"DEBUG": "true", "UVICORN_TIMEOUT_KEEP_ALIVE": "300"}
        one = servers.bridge("uvicorn", valkey.url, certs_dir, folder / "one", **kept)
        other = servers.bridge("daphne", valkey.url, certs_dir, folder / "other")
        with _both(one, other) as keys:
            logins = {role: StorageState(cookies=[_cookie(key)]) for role, key in keys.items()}
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                yield Console(one, other, browser, logins)
                await browser.close()


@contextlib.contextmanager
def _both(one: ServerProcess, other: ServerProcess) -> Iterator[dict[str, str]]:
    """Start both beside each other, and give the key of a session of each role at the first."""
    with contextlib.ExitStack() as stack:
        for server in (other, one):
            stack.push(server)
        other.launch()
        keys = people(one)
        one.launch()
        for server in (other, one):
            server.wait()
        yield keys


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def traffic(console: Console) -> AsyncIterator[None]:
    """Services on both bridges that emit to each other and call each other all the time."""
    async with AsyncExitStack() as stack:
        spark = await stack.enter_async_context(attached(console.server, "spark", "user:*"))
        pulse = await stack.enter_async_context(attached(console.neighbour, "pulse", "post:*"))
        gallery = await stack.enter_async_context(attached(console.server, "gallery"))
        await gallery.ask(type="subscribe", events=["order:*"], group="billing", where={"$gt": [{"$var": "n"}, 2]})
        await pulse.ask(type="serve", resources=[{"name": "counts", "ops": ["read"]}])
        work = [_emits(spark, "post:created"), _emits(pulse, "user:seen"), _emits(spark, "order:placed"), _calls(spark)]
        work += [_reads(each) for each in (spark, pulse, gallery)]
        tasks = [asyncio.create_task(each) for each in work]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _emits(client: Client, event: str) -> None:
    for number in range(100_000):
        await client.say({"type": "emit", "event": event, "data": {"n": number % 5}})
        await asyncio.sleep(EVERY_S)


async def _reads(client: Client) -> None:
    """Read what comes, so that the bridge does not find the client too slow."""
    while True:
        with contextlib.suppress(TimeoutError):
            await client.hear(lambda _: False)


async def _calls(client: Client) -> None:
    for number in range(100_000):
        op = "read" if number % 5 else "shout"
        await client.say({"type": "call", "id": str(number), "op": op, "resource": "counts", "timeout_ms": 200})
        await asyncio.sleep(2 * EVERY_S)


def _cookie(key: str) -> StorageStateCookie:
    return {
        "name": "__Host-sessionid",
        "value": key,
        "domain": "localhost",
        "path": "/",
        "expires": -1,
        "httpOnly": True,
        "secure": True,
        "sameSite": "Lax",
    }
