"""What the tests of the link share: a link whose other end is the test, and which does not really sleep."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from ipc.transports import link as link_module
from ipc.transports.link import Link
from tests.ipc.transports.scripted import RecordingListener, ScriptedTransport, up

MakeLink = Callable[..., Link]


class Slept:
    """Stands for `asyncio` in the link's module, and notes for how long it sleeps instead of doing so."""

    def __init__(self) -> None:
        self.delays: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, delay: float) -> None:
        self.delays.append(delay)
        await asyncio.sleep(0)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> Slept:
    slept = Slept()
    monkeypatch.setattr(link_module, "asyncio", slept)
    return slept


@pytest.fixture
def transport() -> ScriptedTransport:
    return ScriptedTransport()


@pytest.fixture
def listener() -> RecordingListener:
    return RecordingListener()


@pytest.fixture
async def running() -> list["asyncio.Task[None]"]:
    return []


@pytest.fixture
async def make_link(
    transport: ScriptedTransport, listener: RecordingListener, running: list["asyncio.Task[None]"]
) -> AsyncIterator[MakeLink]:
    links: list[Link] = []

    def make(*patterns: str) -> Link:
        link = Link(transport, patterns, listener)
        links.append(link)
        running.append(asyncio.create_task(link.run()))
        return link

    yield make
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    for link in links:
        await link.close()


@pytest.fixture
async def link(make_link: MakeLink, transport: ScriptedTransport) -> Link:
    """A link that is up and subscribed."""
    link = make_link("post:*")
    await transport.subscribes()
    await up(link)
    return link
