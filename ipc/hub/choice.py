"""Which instance gets a call: one of this process first, then the one with the fewest calls in flight."""

import time
from collections.abc import Callable, Set

from ipc.hub.open_call import Request, nobody
from ipc.hub.owners import Owner, Owners
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, IPCError, OverloadedError

BusyMs = Callable[[str, str], float]
"""Tells how many milliseconds an operation on a resource takes, on the average."""

MIN_RETRY_AFTER_MS = 10


def choose(owners: Owners, request: Request, tried: Set[str], *, hub_id: str, busy_ms: BusyMs) -> Owner:
    """Return the owner that gets a call; ``tried`` are instances that had it before.

    Raises:
        BadMessageError: METHOD_NOT_ALLOWED, nobody offers the operation.
        NoOwnerError: nobody serves the resource, or nobody else does.
        OverloadedError: all have as many calls as they take, or all fail (CIRCUIT_OPEN).

    """
    meant = [owner for owner in owners.instances.values() if _is_meant(owner, request.target, owners.service)]
    serving = [owner for owner in meant if owner.claim.address or owner.claim.hub == hub_id]
    if not serving:
        raise nobody(request)
    if not any(request.op in owner.claim.ops for owner in serving):
        raise _not_offered(request, serving)
    offering = [owner for owner in serving if request.op in owner.claim.ops and owner.claim.instance not in tried]
    if not offering:
        raise nobody(request)
    now = time.monotonic()
    well = [owner for owner in offering if not owner.breaker.opens_in_s(now)]
    if not well:
        pause_s = min(owner.breaker.opens_in_s(now) for owner in offering)
        raise OverloadedError(
            f"whoever serves {request.resource} has failed again and again; calls wait for a while",
            code=ErrorCode.CIRCUIT_OPEN,
            retry_after_ms=int(pause_s * 1000) + 1,
        )
    free = [owner for owner in well if owner.in_flight < owner.claim.limit]
    if not free:
        raise OverloadedError(
            f"whoever serves {request.resource} has as many calls as it takes",
            retry_after_ms=max(MIN_RETRY_AFTER_MS, int(busy_ms(request.resource, request.op))),
        )
    return min(free, key=lambda owner: (owner.claim.hub != hub_id, owner.in_flight))


def _is_meant(owner: Owner, target: str | None, service: str) -> bool:
    return target is None or target in {service, owner.claim.instance}


def _not_offered(request: Request, serving: list[Owner]) -> IPCError:
    ops = sorted({op for owner in serving for op in owner.claim.ops})
    return BadMessageError(
        f"{request.resource} has no operation {request.op}; it has {', '.join(ops)}",
        code=ErrorCode.METHOD_NOT_ALLOWED,
        details={"ops": ops},
    )
