"""A step under way: all is counted, under so many names and no more."""

from ipc.hub.running_step import MAX_NAMES, MAX_OF_KIND, RunningStep
from ipc.protocol.tally import Tally, Times


def test_what_comes_later_is_added() -> None:
    step = RunningStep(10)
    for _ in range(2):
        step.add(Tally(counts={"emitted": 1, "emitted a x:y": 1}, times={"delivery": Times(1.0, {3: 1})}))
    assert step.tally == Tally(counts={"emitted": 2, "emitted a x:y": 2}, times={"delivery": Times(2.0, {3: 2})})


def test_a_service_that_makes_names_up_takes_no_room_from_another() -> None:
    step = RunningStep(0)
    for number in range(1_000):
        step.add(Tally(counts={f"emitted liar x:{number}": 1}))
    step.add(Tally(counts={"emitted honest x:y": 1, "emitted liar x:5": 1}))
    assert step.tally.counts["emitted liar other"] == 1_000 - MAX_NAMES
    assert (step.tally.counts["emitted honest x:y"], step.tally.counts["emitted liar x:5"]) == (1, 2)


def test_services_that_make_names_up_together_fill_no_memory() -> None:
    step = RunningStep(0)
    total = 0
    for service in range(50):
        for number in range(MAX_NAMES):
            step.add(
                Tally(counts={f"emitted s{service} x:{number}": 1}, times={f"acked s{service} g{number}": Times()})
            )
            total += 1
    assert sum(step.tally.counts.values()) == total
    assert len(step.tally.counts) <= MAX_OF_KIND + 51
    assert len(step.tally.times) <= MAX_OF_KIND + 51
    assert step.tally.counts["emitted other other"] > 0
