"""Pausing and resuming a link: the log keeps what is not taken, and nothing is lost on the way back to it."""

import asyncio

import pytest

from ipc.protocol.errors import UnavailableError
from ipc.transports.link import Link
from tests.ipc.transports.conftest import MakeLink
from tests.ipc.transports.scripted import RecordingListener, ScriptedTransport, event, up

pytestmark = pytest.mark.usefixtures("slept")


async def test_a_pause_keeps_nothing_and_a_resume_brings_everything(
    link: Link, transport: ScriptedTransport, listener: RecordingListener
) -> None:
    transport.say(event(1))
    await listener.until_numbers(1)
    pausing = asyncio.create_task(link.pause())
    assert (await transport.hears("unsubscribe"))["events"] == ["post:*"]
    transport.say(event(2), event(3))
    transport.say({"type": "ping", "sent": 1, "positions": {"broadcast": "3-0"}})
    await transport.hears("pong")
    assert listener.numbers == [1]
    transport.lose()
    with pytest.raises(UnavailableError):
        await pausing
    await up(link)
    assert transport.said.empty()
    resuming = asyncio.create_task(link.resume())
    assert (await transport.subscribes())["since"]["broadcast"] == "1-0"
    await resuming
    transport.say(event(2), event(3), event(4))
    assert await listener.until_numbers(4) == [1, 2, 3, 4]


async def test_an_event_that_is_not_taken_stops_all_that_follow(
    link: Link, transport: ScriptedTransport, listener: RecordingListener
) -> None:
    """Else the next one that is taken would move the position past it."""
    listener.is_full = True
    transport.say(event(1))
    transport.say({"type": "ping"})
    await transport.hears("pong")
    listener.is_full = False
    transport.say(event(2))
    transport.say({"type": "ping"})
    await transport.hears("pong")
    assert listener.numbers == []
    pausing = asyncio.create_task(link.pause())
    await transport.unsubscribes()
    await pausing
    resuming = asyncio.create_task(link.resume())
    assert (await transport.subscribes())["since"]["broadcast"] == "0-0"
    await resuming
    transport.say(event(1), event(2))
    assert await listener.until_numbers(2) == [1, 2]


async def test_a_pause_while_the_subscription_is_on_its_way_takes_it_back(
    make_link: MakeLink, transport: ScriptedTransport, listener: RecordingListener
) -> None:
    """A replay that went on would run ahead of the one that the resume asks for."""
    link = make_link("post:*")
    listener.is_full = True
    subscribe = await transport.hears("subscribe")
    transport.say({"type": "ok", "id": subscribe["id"], "positions": {"broadcast": "0-0"}}, event(1))
    pausing = asyncio.create_task(link.pause())
    await transport.unsubscribes()
    await pausing
    listener.is_full = False
    resuming = asyncio.create_task(link.resume())
    assert (await transport.subscribes())["since"] == {"broadcast": "0-0"}
    await resuming
    transport.say(event(1), event(2))
    assert await listener.until_numbers(2) == [1, 2]


async def test_a_link_that_comes_back_paused_stays_so_until_it_is_resumed(
    link: Link, transport: ScriptedTransport, listener: RecordingListener
) -> None:
    pausing = asyncio.create_task(link.pause())
    await transport.unsubscribes()
    await pausing
    transport.lose()
    await listener.until_failures(1)
    await up(link)
    assert transport.said.empty()
    resuming = asyncio.create_task(link.resume())
    await transport.subscribes()
    await resuming


async def test_a_resume_between_two_connections_subscribes_on_the_next(
    link: Link, transport: ScriptedTransport, listener: RecordingListener
) -> None:
    """And only once."""
    pausing = asyncio.create_task(link.pause())
    await transport.unsubscribes()
    await pausing
    transport.lose()
    await listener.until_failures(1)
    await link.resume()
    await transport.subscribes()
    await up(link)
    transport.say({"type": "ping"})
    await transport.hears("pong")
    assert transport.said.empty()


async def test_a_restart_takes_nothing_of_the_old_connection(
    link: Link, transport: ScriptedTransport, listener: RecordingListener
) -> None:
    """What is still in it may come behind events that were dropped."""
    listener.is_full = True
    transport.say(event(1))
    transport.say({"type": "ping"})
    await transport.hears("pong")
    listener.is_full = False
    transport.say(event(2))
    link.restart()
    subscribe = await transport.subscribes()
    assert subscribe["since"]["broadcast"] == "0-0"
    transport.say(event(1), event(2))
    assert await listener.until_numbers(2) == [1, 2]
    assert transport.connections == 2
