"""The calls that the sessions of one hub have to answer, and how many of them a session is given at the same time."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from msgspec import UnsetType

from ipc.hub.open_call import Answer, OpenCall, nobody
from ipc.hub.session import Session
from ipc.protocol import codec
from ipc.protocol.calls import call_error, speaks_of_routing
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import IPCError, OverloadedError, UnavailableError
from ipc.protocol.messages import CallError, Reply

BUSY_MS = 50
_UNFIT: Final = frozenset({ErrorCode.DATA_TOO_LARGE, ErrorCode.INVALID_DATA})

LimitOf = Callable[[Session, str], int | None]
"""Returns how many calls to a resource a session takes at the same time, None for one that it does not serve."""


@dataclass(slots=True)
class _ToAnswer:
    calls: dict[str, OpenCall] = field(default_factory=dict)
    by_resource: Counter[str] = field(default_factory=Counter)


class Answering:
    """What is with the sessions of one hub.

    Args:
        limit_of: tells what a session takes.

    """

    def __init__(self, limit_of: LimitOf) -> None:
        self._limit_of = limit_of
        self._sessions: dict[Session, _ToAnswer] = {}

    def give(self, call: OpenCall, session: Session | None) -> None:
        """Give a call to a session.

        Raises:
            NoOwnerError: the session is gone, or does not serve the resource any more.
            OverloadedError: it has as many calls as it takes, or is far behind with reading them.

        """
        resource = call.request.resource
        limit = self._limit_of(session, resource) if session is not None and not session.is_closed else None
        if session is None or limit is None:
            raise nobody(call.request)
        to_answer = self._sessions.get(session)
        if to_answer is not None:
            is_full = to_answer.by_resource[resource] >= limit or len(to_answer.calls) >= session.limits.calls_per_owner
            if is_full or not session.has_room:
                raise OverloadedError(
                    f"whoever serves {resource} has as many calls as it takes", retry_after_ms=BUSY_MS
                )
        else:
            to_answer = self._sessions[session] = _ToAnswer()
        call.session = session
        call.given_at = time.monotonic()
        to_answer.calls[call.id] = call
        to_answer.by_resource[resource] += 1
        text = f'{{"type":"call","id":"{call.id}",{call.request.body},"deadline_ms":{call.left_ms}}}'
        session.put(text, codec.utf8_size(text))

    def find(self, session: Session, call_id: str) -> OpenCall | None:
        """Return a call that a session has to answer."""
        to_answer = self._sessions.get(session)
        return to_answer.calls.get(call_id) if to_answer is not None else None

    def count(self, session: Session) -> int:
        """Return how many calls a session has to answer."""
        to_answer = self._sessions.get(session)
        return len(to_answer.calls) if to_answer is not None else 0

    def part(self, call: OpenCall) -> Session | None:
        """Take a call from the session that has it, and return that."""
        session, call.session = call.session, None
        to_answer = self._sessions.get(session) if session is not None else None
        if to_answer is not None and to_answer.calls.pop(call.id, None) is not None:
            to_answer.by_resource[call.request.resource] -= 1
            if not to_answer.by_resource[call.request.resource]:
                del to_answer.by_resource[call.request.resource]
        return session

    def leave(self, session: Session) -> list[OpenCall]:
        """Forget a session that is gone, and return what it had to answer."""
        to_answer = self._sessions.pop(session, None)
        return list(to_answer.calls.values()) if to_answer is not None else []


def answer_of(reply: Reply, session: Session) -> Answer:
    """Return what an owner has replied.

    Raises:
        BadMessageError: the data is too large or no good JSON.

    """
    if reply.error is not None:
        if not isinstance(reply.error.details, UnsetType):
            details = codec.encode_json(reply.error.details).encode()
            codec.checked_json(details, session.limits, name="details")
        return Answer(error=_own_error(reply.error))
    if isinstance(reply.data, UnsetType):
        return Answer()
    return Answer(codec.checked_json(bytes(reply.data), session.limits))


def refused_reply(session: Session, error: IPCError) -> Answer:
    """Return what a caller is told when the reply of an owner is refused."""
    refusal = IPCError(
        f"the reply of {session.instance} was refused: {error.message}",
        # Data that does not fit is the answer to one question: its owner is well, and gets calls as before.
        code=error.code if error.code in _UNFIT else ErrorCode.INTERNAL,
        details=error.details,
    )
    return Answer.of(refusal)


def _own_error(error: CallError) -> CallError:
    if not speaks_of_routing(error.code):
        return error
    nested = UnavailableError(f"the owner could not do it: {error.code}: {error.message}", code=ErrorCode.UNAVAILABLE)
    return call_error(nested)
