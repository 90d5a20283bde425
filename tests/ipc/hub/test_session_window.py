"""The window: how far a hub sends ahead of what its peer says it has read."""

from ipc.hub.hub import Hub
from ipc.protocol.limits import Limits
from tests.ipc.conftest import MakeHub
from tests.ipc.members import Member

WINDOW = 4_000


async def _hub(make_hub: MakeHub) -> Hub:
    return await make_hub(limits=Limits(window_bytes=WINDOW))


async def test_a_peer_that_confirms_gets_everything(make_hub: MakeHub) -> None:
    """It is asked every quarter of a window, and answers with the number that it was asked with."""
    hub = await _hub(make_hub)
    reader, writer = Member(hub), Member(hub, "timeline")
    await reader.subscribe("post:created")
    await writer.emit_numbers(range(100))
    assert await reader.hears(100) == list(range(100))
    assert sum(message["type"] == "ping" for message in reader.peer.messages) > 10


async def test_a_peer_that_confirms_nothing_is_sent_a_window_and_no_more(make_hub: MakeHub) -> None:
    """What comes after it waits in the outbox, and goes out when the peer has caught up; a neighbour has it already."""
    hub = await _hub(make_hub)
    mute, neighbour, writer = Member(hub, is_mute=True), Member(hub), Member(hub, "timeline")
    await mute.subscribe("post:created")
    await neighbour.subscribe("post:created")
    await writer.emit_numbers(range(100))
    assert await neighbour.hears(100) == list(range(100))
    heard = mute.heard
    assert 0 < len(heard) < 100
    # One frame more may have been under way when the window was reached.
    assert mute.session.sent_bytes < 2 * WINDOW
    mute.peer.on_ping = neighbour.peer.on_ping = None
    while len(mute.heard) < 100:
        before = len(mute.heard)
        await mute.say({"type": "pong", "sent": mute.session.sent_bytes})
        await mute.peer.until(lambda before=before: len(mute.heard) > before)  # type: ignore[misc]  # bound now
    assert mute.heard == list(range(100))


async def test_a_peer_cannot_confirm_what_was_not_sent(make_hub: MakeHub) -> None:
    """A pong with a number from the future opens no wider window."""
    hub = await _hub(make_hub)
    mute, neighbour, writer = Member(hub, is_mute=True), Member(hub), Member(hub, "timeline")
    await mute.subscribe("post:created")
    await neighbour.subscribe("post:created")
    await mute.say({"type": "pong", "sent": 10**15})
    await writer.emit_numbers(range(100))
    await neighbour.hears(100)
    assert mute.session.sent_bytes < 2 * WINDOW


async def test_a_peer_that_is_closed_gets_what_waits_though_it_confirms_nothing_more(make_hub: MakeHub) -> None:
    """Nobody reads its answers any more; the error that says why it is closed is the last of what it hears."""
    hub = await _hub(make_hub)
    mute, neighbour, writer = Member(hub, is_mute=True), Member(hub), Member(hub, "timeline")
    await mute.subscribe("post:created")
    await neighbour.subscribe("post:created")
    await writer.emit_numbers(range(100))
    await neighbour.hears(100)
    assert len(mute.heard) < 100
    await mute.raw("no JSON")
    assert await mute.peer.close_code() == 4400
    assert mute.heard == list(range(100))
    assert mute.peer.messages[-1]["code"] == "INVALID_JSON"
