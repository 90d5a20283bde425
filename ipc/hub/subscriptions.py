"""Making a session live on its logs, at once or from a position on."""

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec import UNSET

from ipc.hub.feed import LogFeed
from ipc.hub.group import GroupMembers
from ipc.hub.interest import Interest
from ipc.hub.session import Session
from ipc.protocol.codes import CloseCode
from ipc.protocol.discovery import Hearing
from ipc.protocol.errors import IPCError
from ipc.protocol.messages import Ok
from ipc.protocol.routing import logs_of_service

if TYPE_CHECKING:
    from ipc.hub.hub import Hub

logger = logging.getLogger(__name__)


async def subscribe(
    hub: "Hub", session: Session, patterns: Iterable[str], since: Mapping[str, str], request_id: str | None
) -> None:
    """Make patterns live on the session's logs, and answer with where each log begins for it.

    A log in ``since`` is replayed from there if all events after it are still in it. If they are not, none of them is
    sent: the log begins at its end, and the answer says ``recovered: false`` with the reason.

    Raises:
        UnavailableError: Redis is out of reach; nothing was subscribed.

    """
    feeds = [await hub.follow(log) for log in logs_of_service(session.service)]
    reasons: dict[str, str] = {}
    for feed in feeds:
        if feed.log in since and (reason := await feed.gap_after(since[feed.log])):
            reasons[feed.log] = reason
    if session.is_closed:
        return
    positions = {}
    replayed: list[tuple[LogFeed, str]] = []
    session.patterns.update(dict.fromkeys(patterns))
    for feed in feeds:
        if feed.log in since and feed.log not in reasons and since[feed.log] != feed.cursor:
            positions[feed.log] = since[feed.log]
            replayed.append((feed, since[feed.log]))
        else:
            positions[feed.log] = feed.cursor
            _go_live(session, feed, patterns)
    session.answer(
        Ok(
            id=request_id,
            positions=positions,
            recovered=not reasons if since else UNSET,
            reasons=reasons or UNSET,
        )
    )
    for feed, position in replayed:
        interest = Interest()
        interest.add(patterns)
        session.replays[interest] = feed.log
        session.tasks.start(_replay(session, feed, interest, position), f"replay {feed.log}")


def unsubscribe(session: Session, patterns: Iterable[str]) -> None:
    """Take patterns back from all logs of a session, and from the replays that are still on their way."""
    for pattern in patterns:
        session.patterns.pop(pattern, None)
    for interest in (*session.interests.values(), *session.replays):
        interest.remove(patterns)


async def _replay(session: Session, feed: LogFeed, interest: Interest, position: str) -> None:
    try:
        await feed.reach(position)
        await feed.replay(session, interest, position)
    except IPCError as error:
        logger.warning("the replay of %s to %s stopped: %s", feed.log, session.instance, error)
        session.close(CloseCode.INTERNAL, "the log could not be read on; resume when ready")
        return
    finally:
        del session.replays[interest]
    # No await between the end of the replay and here: the cursor has not moved.
    _go_live(session, feed, interest.patterns)


def _go_live(session: Session, feed: LogFeed, patterns: Iterable[str]) -> None:
    interest = session.interests.setdefault(feed.log, Interest())
    interest.add(patterns)
    if interest and not session.is_closed:
        feed.live[session] = interest


def hearings(session: Session, groups: Mapping[str, GroupMembers]) -> list[Hearing]:
    """Return what a session hears, live and as a member of groups."""
    live = [Hearing(events=tuple(session.patterns))] if session.patterns else []
    return live + [Hearing(events=tuple(group.interest.patterns), group=name) for name, group in groups.items()]


def leave_feeds(session: Session, feeds: Iterable[LogFeed]) -> None:
    """Take a session out of all feeds."""
    for feed in feeds:
        feed.live.pop(session, None)


def positions_sent(session: Session, feeds: Mapping[str, LogFeed]) -> dict[str, str]:
    """Return, for each log that the session is live on, the position up to which all it wants is in its outbox.

    A log that is being replayed to the session has no such position yet, nor has one that it wants nothing of.
    """
    replayed = set(session.replays.values())
    return {
        log: feeds[log].cursor
        for log, interest in session.interests.items()
        if interest and log not in replayed and session in feeds[log].live
    }
