"""Who gets an event, from plain values."""

import pytest

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import UnknownTargetError
from ipc.protocol.routing import BROADCAST, MAX_TARGETS, Target, logs_of_service, logs_of_target
from ipc.protocol.services import SERVICES


@pytest.mark.parametrize(
    ("target", "logs"),
    [
        (None, ("broadcast",)),
        ("broadcast", ("broadcast",)),
        ("timeline", ("exprsn-timeline",)),
        ("exprsn-timeline", ("exprsn-timeline",)),
        (["timeline"], ("exprsn-timeline",)),
        (["timeline", "exprsn-herald"], ("exprsn-timeline", "exprsn-herald")),
        (["herald", "timeline", "exprsn-herald", "herald"], ("exprsn-herald", "exprsn-timeline")),
        (["herald", "broadcast"], ("broadcast",)),
        (["broadcast", "broadcast"], ("broadcast",)),
        (list(SERVICES), SERVICES),
    ],
)
def test_the_logs_of_a_target(target: Target, logs: tuple[str, ...]) -> None:
    """Each log once and in the order given; broadcast swallows the others, which hear it anyway."""
    assert logs_of_target(target) == logs
    if isinstance(target, list):
        assert logs_of_target(tuple(target)) == logs


@pytest.mark.parametrize("target", ["", "nobody", "Timeline", "*", [], [""], ["timeline", "nobody"], ["*"]])
def test_unknown_targets_are_refused(target: Target) -> None:
    with pytest.raises(UnknownTargetError) as refused:
        logs_of_target(target)
    assert refused.value.code is ErrorCode.UNKNOWN_TARGET


def test_a_list_of_targets_is_bounded() -> None:
    assert logs_of_target(["timeline"] * MAX_TARGETS) == ("exprsn-timeline",)
    with pytest.raises(UnknownTargetError, match="this one has 33"):
        logs_of_target(["timeline"] * (MAX_TARGETS + 1))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_hears_the_broadcast_and_its_own_log(service: str) -> None:
    assert logs_of_service(service) == (BROADCAST, service)
    assert logs_of_target(service) == (service,)
