"""An operator disconnects a session: at any hub, with or without leave to come back, and nobody else."""

from typing import Any

import pytest

from ipc.hub.hub import Hub
from ipc.hub.mesh import Mesh
from ipc.protocol.codes import MAX_REASON_BYTES, may_reconnect
from tests.ipc.conftest import MakeMesh
from tests.ipc.members import Member


@pytest.mark.parametrize("may_return", [True, False])
async def test_any_hub_closes_the_session_of_another(make_mesh: MakeMesh, may_return: bool) -> None:
    """On two hubs over the channel layer of production; the neighbour on the same hub stays."""
    one: Mesh = await make_mesh()
    two: Mesh = await make_mesh()
    meant, neighbour = Member(two.hub), Member(two.hub)
    await one.hub.disconnects.ask(meant.session.id, reason="it floods", may_return=may_return)
    code = await meant.peer.close_code()
    assert (code, may_reconnect(code)) == ((4440, True) if may_return else (4441, False))
    assert meant.peer.closed == (code, "disconnected by an operator: it floods")
    assert await neighbour.is_well()
    assert (one.hub.counters.sessions_disconnected, two.hub.counters.sessions_disconnected) == (0, 1)


async def test_one_is_closed_once_and_one_that_is_gone_not_at_all(hub: Hub) -> None:
    meant, neighbour = Member(hub), Member(hub)
    for session in ("01JUNKNOWN", meant.session.id, meant.session.id):
        await hub.disconnects.heard({"session": session, "reason": "", "may_return": True})
    assert await meant.peer.close_code() == 4440
    assert hub.counters.sessions_disconnected == 1
    assert await neighbour.is_well()


async def test_a_reason_that_is_too_long_for_a_close_frame_is_cut(hub: Hub) -> None:
    meant = Member(hub)
    await hub.disconnects.heard({"session": meant.session.id, "reason": "ä" * 500, "may_return": False})
    assert await meant.peer.close_code() == 4441
    assert meant.peer.closed is not None
    assert len(meant.peer.closed[1].encode()) <= MAX_REASON_BYTES


@pytest.mark.parametrize("message", [{}, {"session": []}, {"session": "x" * 10, "reason": None}])
async def test_what_another_version_says_harms_nobody(hub: Hub, message: dict[str, Any]) -> None:
    member = Member(hub)
    await hub._pushes._take_known({"type": "ipc.disconnect", **message})
    assert await member.is_well()
