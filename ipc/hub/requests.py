"""What a session asks for, message by message."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ipc.hub.emitting import hashable, route
from ipc.hub.evaluation import evaluate_asked
from ipc.hub.ledger import check_may_ask
from ipc.hub.meter import Meter
from ipc.hub.session import Session
from ipc.hub.session_emits import emit
from ipc.hub.subscriptions import asked_patterns, subscribe, unsubscribe
from ipc.protocol import codec
from ipc.protocol.codes import CloseCode, ErrorCode
from ipc.protocol.errors import BadMessageError, IPCError
from ipc.protocol.messages import (
    Ack,
    AnyClientMessage,
    Auth,
    Call,
    Cancel,
    Declare,
    Discover,
    Emit,
    Explain,
    JSONLex,
    Nack,
    Ok,
    Operation,
    Ping,
    Pong,
    Progress,
    Reply,
    Serve,
    ServerPong,
    State,
    Status,
    Subscribe,
    Unsubscribe,
)
from ipc.protocol.permissions import check_permission
from ipc.protocol.positions import check_position
from ipc.protocol.routing import logs_of_service
from ipc.protocol.services import full_name

if TYPE_CHECKING:
    from ipc.hub.hub import Hub


Messages = list[AnyClientMessage | codec.Refused]
MESSAGES_A_TURN = 32
"""After so many messages of a frame the event loop does what else there is: their append begins while the rest is read.

Measured with 200 acknowledged emits a frame: a third more of them in a second, and half of the time until the answer.
"""


async def receive(hub: "Hub", session: Session, frame: str | bytes) -> None:
    """Carry out a frame of a session; what is wrong is answered, never raised."""
    session.last_activity_ms = time.time_ns() // 1_000_000
    hub.counters.frames_received += 1
    try:
        messages = codec.decode_client_frame(frame, session.limits)
    except codec.FrameError as error:
        hub.counters.refuse(session.service, error.code)
        session.refuse(error)
        too_large = error.code is ErrorCode.FRAME_TOO_LARGE
        session.close(CloseCode.TOO_LARGE if too_large else CloseCode.BAD_FRAME, error.message)
        return
    await carry_out(hub, session, messages)


async def carry_out(hub: "Hub", session: Session, messages: Messages) -> None:
    """Carry out messages of a session, in order; what is wrong is answered, never raised."""
    if session.meter is not None:
        messages = await _within_limit(hub, session, session.meter, messages)
    for number, message in enumerate(messages):
        if number and not number % MESSAGES_A_TURN:
            await asyncio.sleep(0)
        if session.is_closed:
            return
        if type(message) is Emit:
            writer_is_full = emit(hub, session, message)
            if writer_is_full:
                await hub.logs.room(route(hashable(message.target))[0])
        elif isinstance(message, codec.Refused):
            hub.counters.refuse(session.service, message.error.code)
            session.refuse(message.error, message.id)
            if message.type == "reply" and message.id is not None:
                # Its caller need not wait until the deadline for what will not come.
                hub.calling.calls.spoil(session, message.id, message.error)
        else:
            await _request(hub, session, message)


async def _within_limit(hub: "Hub", session: Session, meter: Meter, messages: Messages) -> Messages:
    """Return the messages of a frame that the service may still send, and refuse the others of those that count."""
    wanted = len([message for message in messages if type(message) in COUNTED])
    if not wanted or meter.pass_now(wanted):
        return messages
    granted = await meter.take(wanted)
    if granted == wanted:
        return messages
    error, passed = meter.refusal(), list[Any]()
    hub.counters.refuse(session.service, error.code, wanted - granted)
    for message in messages:
        if type(message) not in COUNTED:
            passed.append(message)
        elif granted:
            granted -= 1
            passed.append(message)
        else:
            hub.proofs.refusals.refuse(session, error, message.id)
    return passed


async def _request(hub: "Hub", session: Session, message: Any) -> None:
    try:
        await _HANDLERS[type(message)](hub, session, message)
        if type(message) in _DESCRIBING:
            hub.described_anew(session)
    except IPCError as error:
        hub.proofs.refusals.refuse(session, error, message.id)


async def _subscribe(hub: "Hub", session: Session, message: Subscribe) -> None:
    patterns = asked_patterns(session, message, hub.counters)
    logs = logs_of_service(session.service)
    since = message.since or {}
    for log, position in since.items():
        check_position(position)
        if log not in logs:
            raise BadMessageError(f"since: {session.service} hears the logs {' and '.join(logs)}, not {log[:64]!r}")
    if message.group is not None:
        if message.also is not None:
            raise BadMessageError("a group has one condition and one shape; also belongs to subscriptions without one")
        await hub.deliveries.subscribe(session, message, since, patterns[message.events[0]])
    elif message.credit is not None or message.retry is not None or message.once:
        raise BadMessageError("credit, retry and once belong to a group; name it with group")
    else:
        await subscribe(hub, session, patterns, since, message.id)


async def _unsubscribe(hub: "Hub", session: Session, message: Unsubscribe) -> None:
    if message.group is not None:
        await hub.deliveries.unsubscribe(session, message.group, forget=message.forget)
    elif message.forget:
        raise BadMessageError("forget deletes a group; name it with group")
    else:
        unsubscribe(session, message.events)
    session.answer(Ok(id=message.id))


async def _ack(hub: "Hub", session: Session, message: Ack) -> None:
    hub.deliveries.acknowledge(session, message)


async def _nack(hub: "Hub", session: Session, message: Nack) -> None:
    hub.deliveries.fail(session, message)


async def _progress(hub: "Hub", session: Session, message: Progress) -> None:
    hub.deliveries.extend(session, message)


async def _serve(hub: "Hub", session: Session, message: Serve) -> None:
    await hub.calling.serve(session, message)
    session.answer(Ok(id=message.id))


async def _call(hub: "Hub", session: Session, message: Call) -> None:
    hub.calling.call(session, message)


async def _reply(hub: "Hub", session: Session, message: Reply) -> None:
    hub.calling.calls.settle(session, message)


async def _cancel(hub: "Hub", session: Session, message: Cancel) -> None:
    hub.calling.calls.cancel(session, message.id or "")


async def _status(hub: "Hub", session: Session, message: Status) -> None:
    # A service may ask for what it has sent; what others have sent is for who may do everything.
    source = check_may_ask(session.identity.permissions, session.service, message.source)
    status = await hub.ledger.status(message.event, source=source, log=message.log, position=message.position)
    session.answer(Ok(id=message.id, status=status))


async def _discover(hub: "Hub", session: Session, message: Discover) -> None:
    found = await hub.services(message.service)
    session.answer(Ok(id=message.id, services=found.services, has_more=found.has_more))


async def _explain(hub: "Hub", session: Session, message: Explain) -> None:
    is_own = message.source is None or full_name(message.source) == session.service
    source = check_may_ask(session.identity.permissions, session.service, message.source) or session.service
    await hub.described()
    explanation = await hub.explainer.explain(
        message.event,
        message.data,
        target=message.target,
        meta=message.meta,
        source=source,
        permissions=session.identity.permissions if is_own else None,
    )
    session.answer(Ok(id=message.id, explanation=explanation))


async def _jsonlex(hub: "Hub", session: Session, message: JSONLex) -> None:
    check_permission(session.identity.permissions, "jsonlex", "")
    result = await evaluate_asked(hub.loop_time, message.expression, message.context)
    session.answer(Ok(id=message.id, result=result.value, cost=result.cost))


async def _ping(_hub: "Hub", session: Session, message: Ping) -> None:
    session.answer(ServerPong(id=message.id))


async def _pong(_hub: "Hub", session: Session, message: Pong) -> None:
    session.confirm(message.sent)


async def _auth(hub: "Hub", session: Session, message: Auth) -> None:
    await hub.proofs.renew(session, message.token)
    session.answer(Ok(id=message.id))


async def _state(hub: "Hub", session: Session, message: State) -> None:
    check_permission(session.identity.permissions, "state", "")
    session.answer(Ok(id=message.id, value=await hub.proofs.state(session, message)))


async def _declare(hub: "Hub", session: Session, message: Declare) -> None:
    await hub.drift.declare(session, message.events)
    session.answer(Ok(id=message.id))


async def _operation(hub: "Hub", session: Session, message: Operation) -> None:
    session.answer(Ok(id=message.id, operations=await hub.operations.ask(session, message)))


_HANDLERS: dict[type, Callable[["Hub", Session, Any], Awaitable[None]]] = {
    Subscribe: _subscribe,
    Unsubscribe: _unsubscribe,
    Ack: _ack,
    Nack: _nack,
    Progress: _progress,
    Status: _status,
    Discover: _discover,
    Explain: _explain,
    Serve: _serve,
    Call: _call,
    Reply: _reply,
    Cancel: _cancel,
    JSONLex: _jsonlex,
    Ping: _ping,
    Pong: _pong,
    Auth: _auth,
    State: _state,
    Declare: _declare,
    Operation: _operation,
}
_DESCRIBING = frozenset({Subscribe, Unsubscribe, Serve, Auth})
COUNTED = frozenset({Emit, Call, JSONLex, Subscribe, Serve, State, Status, Discover, Explain, Declare, Operation})
"""What counts for the rate limit: all that makes work for others than the session itself."""
