"""Making a session live on its logs, at once or from a position on."""

import logging
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import TYPE_CHECKING

from msgspec import UNSET

from ipc.hub.counters import Counters
from ipc.hub.feed import LogFeed
from ipc.hub.group import GroupMembers
from ipc.hub.interest import Interest
from ipc.hub.session import Session
from ipc.hub.terms import MAX_FILTERED, Terms, terms_of
from ipc.protocol.codes import CloseCode, ErrorCode
from ipc.protocol.discovery import Hearing
from ipc.protocol.errors import BadMessageError, IPCError
from ipc.protocol.messages import Ok, Subscribe
from ipc.protocol.patterns import compile_pattern
from ipc.protocol.permissions import check_permission
from ipc.protocol.routing import logs_of_service
from ipc.tracing.steps import attending

if TYPE_CHECKING:
    from ipc.hub.hub import Hub

logger = logging.getLogger(__name__)


def asked_patterns(session: Session, message: Subscribe, counters: Counters) -> dict[str, Terms]:
    """Return the patterns that a session asks for, each with its terms; the last that names a pattern counts.

    Raises:
        BadMessageError: a pattern, a condition or a shape is wrong, or there are too many.
        ForbiddenError: it may not hear one of them.

    """
    patterns: dict[str, Terms] = {}
    for asked in (message, *(message.also or ())):
        for pattern in asked.events:
            compile_pattern(pattern)
            check_permission(session.identity.permissions, "subscribe", pattern)
        terms = terms_of(
            asked.where,
            asked.select,
            owner=f"{session.instance} {message.group or ''}".rstrip(),
            counters=counters,
            result_bytes=session.limits.data_bytes,
        )
        patterns.update(dict.fromkeys(asked.events, terms))
    _check_room(session, patterns)
    return patterns


def _check_room(session: Session, patterns: dict[str, Terms]) -> None:
    """Refuse more than a session may have, as it would be with these patterns."""
    wanted = session.patterns | patterns
    if len(wanted) > session.limits.patterns_per_session:
        raise BadMessageError(
            f"a session has at most {session.limits.patterns_per_session} patterns, this would make {len(wanted)}",
            code=ErrorCode.TOO_MANY_SUBSCRIPTIONS,
        )
    filtered = len({terms for terms in wanted.values() if not terms.is_plain})
    if filtered > MAX_FILTERED:
        raise BadMessageError(
            f"a session has at most {MAX_FILTERED} subscriptions with where or select, this would make {filtered}",
            code=ErrorCode.TOO_MANY_SUBSCRIPTIONS,
            details={"limit": MAX_FILTERED},
        )


async def subscribe(
    hub: "Hub", session: Session, patterns: Mapping[str, Terms], since: Mapping[str, str], request_id: str | None
) -> None:
    """Make patterns, each with its terms, live on the session's logs, and answer with where each log begins for it.

    A log in ``since`` is replayed from there if all events after it are still in it. If they are not, none of them is
    sent: the log begins at its end, and the answer says ``recovered: false`` with the reason.

    Raises:
        UnavailableError: Redis is out of reach; nothing was subscribed.

    """
    feeds = [await hub.logs.follow(log) for log in logs_of_service(session.service)]
    reasons: dict[str, str] = {}
    for feed in feeds:
        if feed.log in since and (reason := await feed.gap_after(since[feed.log])):
            reasons[feed.log] = reason
    if session.is_closed:
        return
    positions = {}
    replayed: list[tuple[LogFeed, str]] = []
    session.patterns.update(patterns)
    for feed in feeds:
        if feed.log in since and feed.log not in reasons and since[feed.log] != feed.cursor:
            positions[feed.log] = since[feed.log]
            replayed.append((feed, since[feed.log]))
        else:
            positions[feed.log] = _go_live(session, feed, patterns)
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
        with attending(session.id):
            logger.warning("the replay of %s to %s stopped: %s", feed.log, session.instance, error)
        session.close(CloseCode.INTERNAL, "the log could not be read on; resume when ready")
        return
    finally:
        del session.replays[interest]
    # No await between the end of the replay and here: the cursor has not moved.
    interest.behind = None
    _go_live(session, feed, interest.terms)


def _go_live(session: Session, feed: LogFeed, patterns: Mapping[str, Terms]) -> str:
    """Make patterns live, and return the position after which they are."""
    interest = session.interests.setdefault(feed.log, Interest())
    interest.add(patterns)
    if interest.behind is not None:
        return interest.behind
    if interest and not session.is_closed:
        feed.live[session] = interest
    return feed.cursor


def fall_behind(feed: LogFeed, session: Session, interest: Interest, position: str) -> None:
    """Let a live session whose filters take long read a log from a position on, until it has caught up."""
    if feed.live.pop(session, None) is None or session.is_closed:
        return
    feed.counters.sessions_behind += 1
    interest.behind = position
    session.replays[interest] = feed.log
    session.tasks.start(_replay(session, feed, interest, position), f"filter {feed.log}")


def hearings(session: Session, groups: Mapping[str, GroupMembers]) -> list[Hearing]:
    """Return what a session hears, live and as a member of groups."""
    live = [
        _hearing([pattern for pattern, _ in patterns], terms)
        for terms, patterns in groupby(session.patterns.items(), key=lambda pattern: pattern[1])
    ]
    return live + [
        _hearing(group.interest.patterns, group.terms, name, credit=group.members[session].credit)
        for name, group in groups.items()
    ]


def patterns_of(session: Session, groups: Mapping[str, GroupMembers]) -> list[str]:
    """Return the patterns that a session hears by, live and as a member of groups."""
    return [*session.patterns, *(pattern for group in groups.values() for pattern in group.interest.patterns)]


def _hearing(patterns: Iterable[str], terms: Terms, group: str = "", *, credit: int = 0) -> Hearing:
    return Hearing(
        events=tuple(patterns),
        group=group,
        credit=credit,
        where=None if terms.where is None else terms.where.expression,
        select=None if terms.select is None else terms.select.expression,
    )


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
