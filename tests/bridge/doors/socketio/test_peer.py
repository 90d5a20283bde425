"""A session of Socket.IO that is closed before it was let in does not keep its connection waiting."""

import asyncio
from typing import Any, cast

import pytest

from bridge.doors.socketio.peer import NamespacePeer
from bridge.doors.socketio.telling import EventBodies
from ipc.protocol.codes import CloseCode
from ipc.protocol.errors import UnavailableError


class Silent:
    """A hub that answers nothing, and a connection that only notes why it is shut."""

    def __init__(self) -> None:
        self.shut_with: list[int] = []

    async def receive(self, _session: Any, _frame: Any) -> None:
        return

    async def shut(self, code: int, _reason: str, _texts: list[str]) -> None:
        self.shut_with.append(code)


async def test_who_is_closed_while_it_is_let_in_is_let_in_no_more() -> None:
    """Its connection reads nothing until that is decided, so neither it nor the bridge could be stopped."""
    silent = cast("Any", Silent())
    session = cast("Any", type("Session", (), {"id": "s"})())
    peer = NamespacePeer(silent, "/ipc/auth", EventBodies(), lambda: None)
    attaching = asyncio.create_task(peer.attach(silent, session, {"events": ["*"]}))
    await asyncio.sleep(0)
    await peer.close(CloseCode.TOO_SLOW, "two heartbeats were not answered")
    with pytest.raises(UnavailableError, match="two heartbeats"):
        await attaching
    assert silent.shut_with == [4429]
