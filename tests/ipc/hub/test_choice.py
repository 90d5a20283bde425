"""Which instance gets a call, and what is said when none does."""

import pytest

from ipc.hub.breaker import Breaker
from ipc.hub.choice import choose
from ipc.hub.open_call import Request
from ipc.hub.owners import Owner, Owners
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import IPCError
from ipc.stores.resources import Claim


def owner(name: str, *, hub: str = "h2", in_flight: int = 0, ops: tuple[str, ...] = ("read",), limit: int = 8) -> Owner:
    claim = Claim(instance=f"exprsn-timeline:{name}", session=name, hub=hub, address="there", ops=ops, limit=limit)
    return Owner(claim, Breaker(1, 5.0), in_flight)


def owners(*found: Owner) -> Owners:
    return Owners("exprsn-timeline", 0.0, {each.claim.instance: each for each in found})


def request(op: str = "read", target: str | None = None) -> Request:
    return Request("posts", op, "", target, is_repeatable=True)


def chosen(found: Owners, asked: Request, *tried: str) -> str:
    names = {f"exprsn-timeline:{name}" for name in tried}
    return choose(found, asked, names, hub_id="h1", busy_ms=lambda *_: 30.0).claim.session


def refusal(found: Owners, asked: Request, *tried: str) -> IPCError:
    with pytest.raises(IPCError) as caught:
        chosen(found, asked, *tried)
    return caught.value


def test_one_of_this_process_comes_first_then_the_one_with_the_fewest_calls() -> None:
    here, busy, idle = owner("here", hub="h1", in_flight=5), owner("busy", in_flight=2), owner("idle", in_flight=1)
    assert chosen(owners(busy, idle, here), request()) == "here"
    assert chosen(owners(busy, idle), request()) == "idle"
    assert chosen(owners(busy, idle), request(), "idle") == "busy"


def test_one_here_that_is_full_or_fails_does_not_keep_calls_from_others() -> None:
    full, failing, other = owner("full", hub="h1", in_flight=8), owner("failing", hub="h1"), owner("other", in_flight=7)
    failing.breaker.failed(1e12)
    assert chosen(owners(full, failing, other), request()) == "other"


def test_a_target_narrows_it_to_a_service_or_an_instance() -> None:
    found = owners(owner("one"), owner("two"))
    assert chosen(found, request(target="exprsn-timeline:two")) == "two"
    assert chosen(found, request(target="exprsn-timeline")) == "one"
    error = refusal(found, request(target="exprsn-spark" + ":x" * 5_000))
    assert (error.code, len(error.message) < 300) == (ErrorCode.NO_OWNER, True)


def test_an_operation_that_nobody_offers_is_told_with_those_that_there_are() -> None:
    error = refusal(owners(owner("one", ops=("read", "create"))), request("publish"))
    assert (error.code, error.details) == (ErrorCode.METHOD_NOT_ALLOWED, {"ops": ["create", "read"]})


def test_an_operation_whose_only_owner_was_tried_has_no_owner() -> None:
    """Not that it does not exist, which would be wrong, and would not be tried again."""
    found = owners(owner("one", ops=("read", "publish")), owner("two"))
    assert refusal(found, request("publish"), "one").code is ErrorCode.NO_OWNER


def test_nobody_at_all_is_no_owner_and_neither_is_one_that_cannot_be_reached_yet() -> None:
    assert refusal(owners(), request()).code is ErrorCode.NO_OWNER
    claim = Claim(instance="exprsn-timeline:x", session="x", hub="h2", address="", ops=("read",), limit=1)
    assert refusal(owners(Owner(claim, Breaker())), request()).code is ErrorCode.NO_OWNER


def test_all_are_full() -> None:
    error = refusal(owners(owner("one", in_flight=8), owner("two", in_flight=9)), request())
    assert (error.code, error.retry_after_ms) == (ErrorCode.OVERLOADED, 30)


def test_all_have_failed() -> None:
    one = owner("one")
    one.breaker.failed(1e12)
    error = refusal(owners(one), request())
    assert error.code is ErrorCode.CIRCUIT_OPEN
    assert error.retry_after_ms is not None
    assert error.retry_after_ms > 0
