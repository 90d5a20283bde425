"""A session: what it is sent goes out in order and in bounds, and who does not keep up is sent away."""

import asyncio
from collections.abc import Callable

import pytest

from ipc.hub import session as session_module
from ipc.hub.session import Identity, Origin, Session
from ipc.protocol.codes import CloseCode
from ipc.protocol.errors import ForbiddenError
from ipc.protocol.limits import Limits
from ipc.protocol.messages import ServerPong
from tests.ipc.peers import GUARD_S, RecordingPeer

MakeSession = Callable[..., Session]


@pytest.fixture
def peer() -> RecordingPeer:
    return RecordingPeer()


@pytest.fixture
def closed() -> list[Session]:
    return []


@pytest.fixture
def make_session(peer: RecordingPeer, closed: list[Session]) -> MakeSession:
    def make(**limits: int) -> Session:
        return Session(
            peer,
            Identity(service="exprsn-herald", permissions=frozenset({"*"})),
            Origin(door="test", pid=1, hostname="host", instance_id="01X"),
            Limits(**limits),
            on_close=closed.append,
        )

    return make


def put(session: Session, *texts: str) -> None:
    for text in texts:
        session.put(text, len(text))


async def test_an_instance_is_named_by_its_service(make_session: MakeSession) -> None:
    session = make_session()
    assert (session.service, session.instance) == ("exprsn-herald", "exprsn-herald:01X")


async def test_messages_go_out_in_order_joined_to_frames(make_session: MakeSession, peer: RecordingPeer) -> None:
    session = make_session(messages_per_frame=3, frame_bytes=100)
    put(session, *"12345678")
    await peer.until(lambda: len(peer.frames) == 3)
    assert peer.frames == ["1\n2\n3", "4\n5\n6", "7\n8"]


async def test_an_error_repeats_the_id_of_its_request(make_session: MakeSession, peer: RecordingPeer) -> None:
    session = make_session()
    session.answer(ServerPong(id="1"))
    session.refuse(ForbiddenError("no"), "2")
    session.refuse(ForbiddenError("no"))
    await peer.until(lambda: len(peer.messages) == 3)
    assert [message.get("id") for message in peer.messages] == ["1", "2", None]


async def test_the_heartbeat_says_how_much_was_sent(make_session: MakeSession, peer: RecordingPeer) -> None:
    """In bytes of UTF-8, so that the peer can say how far it has read."""
    session = make_session()
    put(session, '{"type":"x","é":1}')
    await peer.until(lambda: len(peer.messages) == 1)
    session.ping({"broadcast": "1-0"})
    await peer.until(lambda: len(peer.messages) == 2)
    assert peer.messages[1] == {"type": "ping", "sent": 19, "positions": {"broadcast": "1-0"}}


async def test_two_unanswered_heartbeats_close_it(
    make_session: MakeSession, peer: RecordingPeer, closed: list[Session]
) -> None:
    session = make_session()
    session.ping({})
    session.ping({})
    assert not session.is_closed
    session.ping({})
    assert await peer.close_code() == CloseCode.TOO_SLOW
    assert closed == [session]


async def test_an_outbox_that_is_too_full_closes_it_and_is_dropped(
    make_session: MakeSession, peer: RecordingPeer, closed: list[Session]
) -> None:
    """What waits for a peer that does not read is worth nothing: it resumes from the log."""
    session = make_session(outbox_bytes=10)
    peer.stop_reading()
    put(session, "1")
    await asyncio.sleep(0)
    put(session, "23456", "78901")
    assert closed == []
    put(session, "2")
    assert closed == [session]
    assert await peer.close_code() == CloseCode.TOO_SLOW
    assert peer.frames == []
    put(session, "never")
    peer.read_on()
    await session.closed()
    assert (peer.frames, session._outbox.size) == ([], 0)


async def test_an_outbox_of_too_many_messages_closes_it_too(
    make_session: MakeSession, peer: RecordingPeer, closed: list[Session]
) -> None:
    """However small they are; the messages of a piece count one by one."""
    session = make_session(outbox_messages=5)
    peer.stop_reading()
    put(session, "1")
    await asyncio.sleep(0)
    session.put_all([("2\n3\n4\n5", 7, 4), ("6", 1, 1)])
    assert (closed, session.has_room) == ([], False)
    put(session, "7")
    assert closed == [session]
    assert await peer.close_code() == CloseCode.TOO_SLOW
    peer.read_on()
    await session.closed()
    assert (peer.frames, session._outbox.count) == ([], 0)


async def test_what_waits_is_sent_before_it_is_closed(make_session: MakeSession, peer: RecordingPeer) -> None:
    session = make_session()
    put(session, "1", "2")
    session.close(CloseCode.DRAINING, "draining, reconnect in 5 ms")
    put(session, "never")
    async with asyncio.timeout(GUARD_S):
        await session.closed()
    assert (peer.frames, peer.closed) == (["1\n2"], (4503, "draining, reconnect in 5 ms"))


async def test_a_peer_that_takes_nothing_is_closed_without(
    make_session: MakeSession, peer: RecordingPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "FLUSH_TIMEOUT_S", 0.05)
    session = make_session()
    peer.stop_reading()
    put(session, "1")
    session.close(CloseCode.BAD_FRAME, "no")
    assert await peer.close_code() == CloseCode.BAD_FRAME
    assert peer.frames == []


async def test_it_is_closed_once(make_session: MakeSession, peer: RecordingPeer, closed: list[Session]) -> None:
    session = make_session()
    session.close(CloseCode.FORBIDDEN, "first")
    session.close(CloseCode.INTERNAL, "second")
    await session.closed()
    assert (peer.closed, closed) == ((4403, "first"), [session])


async def test_a_long_reason_fits_into_its_frame(make_session: MakeSession, peer: RecordingPeer) -> None:
    session = make_session()
    session.close(CloseCode.BAD_FRAME, "é" * 200)
    await session.closed()
    assert peer.closed == (4400, "é" * 61)


async def test_when_its_connection_is_gone_everything_of_it_ends(
    make_session: MakeSession, peer: RecordingPeer, closed: list[Session]
) -> None:
    session = make_session()
    peer.stop_reading()
    put(session, "1")
    running = session.tasks.start(asyncio.Event().wait(), "replay")  # type: ignore[arg-type]  # its result is not used
    await asyncio.sleep(0)
    await session.ended()
    assert running.cancelled()
    put(session, "never")
    assert (session._outbox.size, peer.frames, peer.closed, closed) == (0, [], None, [])


async def test_a_replay_waits_until_the_outbox_has_room(make_session: MakeSession, peer: RecordingPeer) -> None:
    session = make_session(outbox_bytes=16)
    async with asyncio.timeout(GUARD_S):
        await session.outbox_room()
    peer.stop_reading()
    put(session, "1")
    await asyncio.sleep(0)
    put(session, "23456")
    waiting = asyncio.create_task(session.outbox_room())
    await asyncio.sleep(0)
    assert not waiting.done()
    peer.read_on()
    async with asyncio.timeout(GUARD_S):
        await waiting
    assert peer.frames == ["1", "23456"]


async def test_a_replay_does_not_wait_for_a_session_that_was_closed(
    make_session: MakeSession, peer: RecordingPeer
) -> None:
    session = make_session(outbox_bytes=16)
    peer.stop_reading()
    put(session, "1")
    await asyncio.sleep(0)
    put(session, "23456")
    waiting = asyncio.create_task(session.outbox_room())
    await asyncio.sleep(0)
    session.close(CloseCode.TOO_SLOW, "too slow")
    async with asyncio.timeout(GUARD_S):
        await waiting
