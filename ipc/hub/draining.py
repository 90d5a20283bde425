"""Sending sessions away because their process is stopping."""

import asyncio
import logging
import random
from typing import TYPE_CHECKING

from ipc.hub.session import Session
from ipc.protocol.codes import CloseCode
from ipc.protocol.messages import Notice

if TYPE_CHECKING:
    from ipc.hub.hub import Hub

logger = logging.getLogger(__name__)

DRAIN_SPREAD_MS = 2_000


async def drain(hub: "Hub") -> None:
    """Send all sessions away: announce it, take the answers to what groups have handed out, then close.

    Each session is told a delay of its own before it comes back, so that they do not all come at once.
    """
    delays = {session: _announce(session) for session in list(hub.sessions.values())}
    hub.deliveries.retire_all()
    try:
        async with asyncio.timeout(hub.limits.drain_ms / 1000):
            await asyncio.gather(hub.deliveries.answered(), hub.calling.drain())
    except TimeoutError:
        logger.warning("not all deliveries and calls were answered before the stop; deliveries come again elsewhere")
    await asyncio.gather(*(_close(session, delay_ms) for session, delay_ms in delays.items()))


async def send_away(session: Session) -> None:
    """Close one session because this process is stopping, and wait until it has been told."""
    await _close(session, _announce(session))


def _announce(session: Session) -> int:
    delay_ms = random.randrange(DRAIN_SPREAD_MS)  # noqa: S311 - spreads load, no secret
    session.answer(Notice(notice="draining", retry_after_ms=delay_ms))
    return delay_ms


async def _close(session: Session, delay_ms: int) -> None:
    session.close(CloseCode.DRAINING, f"draining, reconnect in {delay_ms} ms")
    await session.closed()
