"""Durable load while everything dies in turn: whatever was accepted is handled by every group.

Environment: FAULTS_EVENTS (at least so many events), FAULTS_ROUNDS (how often each fault comes; unset: four of them
once), FAULTS_DURABLE_FREEZE_S (how long Valkey is frozen), FAULTS_SEED (repeats a run). `make soak` is the long one.
"""

import asyncio
import os
import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from exprsn.embedded import EmbeddedValkey
from ipc import IPCWorker
from ipc.protocol.errors import IPCError
from tests.faults.conftest import emitting
from tests.faults.durable_system import System

pytestmark = pytest.mark.processes

EVENTS = int(os.environ.get("FAULTS_EVENTS", "3000"))
ROUNDS = int(os.environ.get("FAULTS_ROUNDS", "0"))
FREEZE_S = float(os.environ.get("FAULTS_DURABLE_FREEZE_S", "2"))
SEED = int(os.environ.get("FAULTS_SEED", random.SystemRandom().randrange(10**6)))
FEW_FAULTS = 4
LANES = 8
PAUSE_S = 0.01
EMIT_TIMEOUT_S = 60.0
MEMORY_GROWTH = 1.2


class Load:
    """Emits events from several lanes of each emitter, and knows which were accepted."""

    def __init__(self, emitters: list[IPCWorker]) -> None:
        self.accepted: set[str] = set()
        self.refused: list[IPCError] = []
        self._emitters = emitters
        self._count = 0
        self._changed = asyncio.Condition()

    async def run(self, events: int, beside: asyncio.Task[None] | None = None) -> None:
        """Emit so many events, and go on while a task runs beside."""
        until = self._count + events
        lanes = [self._lane(emitter, until, beside) for emitter in self._emitters for _ in range(LANES)]
        await asyncio.gather(*lanes)
        if beside is not None:
            await beside

    async def reaches(self, count: int) -> None:
        """Wait until so many were accepted."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.accepted) >= count)

    async def _lane(self, emitter: IPCWorker, until: int, beside: asyncio.Task[None] | None) -> None:
        while self._count < until or (beside is not None and not beside.done()):
            self._count += 1
            event_id = f"durable-{self._count}"
            try:
                await emitter.emit(
                    "durable:work", {"n": self._count}, target="herald", id=event_id, timeout_s=EMIT_TIMEOUT_S
                )
            except IPCError as error:
                self.refused.append(error)
                continue
            async with self._changed:
                self.accepted.add(event_id)
                self._changed.notify_all()
            await asyncio.sleep(PAUSE_S)


def say(text: str) -> None:
    """Report to whoever reads the test's output."""
    print(text, flush=True)  # noqa: T201 - a report


def chosen(names: list[str], chance: random.Random) -> list[str]:
    """Return the faults of this run, in their order."""
    if not ROUNDS:
        return chance.sample(names, FEW_FAULTS)
    return [name for _ in range(ROUNDS) for name in chance.sample(names, len(names))]


async def test_whatever_was_accepted_is_handled_by_every_group(
    own_valkey: EmbeddedValkey, certs_dir: Path, tmp_path: Path
) -> None:
    """At least once by each of two groups, with nothing dead, nothing left over and the memory as it was."""
    say(f"FAULTS_SEED={SEED}")
    chance = random.Random(SEED)  # noqa: S311 - chooses faults, no secret
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(System(own_valkey, certs_dir, tmp_path, chance, FREEZE_S))
        emitters = [
            await stack.enter_async_context(emitting(service, bridge=bridge))
            for service, bridge in zip(("atlas", "nexus"), system.bridges, strict=True)
        ]
        load = Load(emitters)
        faults = chosen(list(system.faults), chance)
        leg = EVENTS // (len(faults) + 1)
        await load.run(leg)
        await system.all_handled(load.accepted)
        memory_before = system.memory_bytes()

        async def fault(name: str, after: int) -> None:
            await load.reaches(after)
            say(f"after {after} events: {name}")
            await system.faults[name]()

        for name in faults:
            beside = asyncio.create_task(fault(name, len(load.accepted) + chance.randrange(leg // 2)))
            await load.run(leg, beside)
        await system.all_handled(load.accepted)

        async def is_settled() -> bool:
            return not any((await system.pending()).values())

        await system.becomes(is_settled, "nothing waits to be acknowledged")
        handled = system.handled()
        repeats = {group: sum(counts.values()) - len(counts) for group, counts in handled.items()}
        say(f"{len(load.accepted)} accepted, {len(load.refused)} refused, repeats {repeats}")
        assert len(load.accepted) >= EVENTS - len(load.refused)
        assert len(load.refused) <= len(load.accepted) // 100, load.refused[:3]
        assert await system.dead() == 0, system.complaints()

        async def memory_is_back() -> bool:
            return system.memory_bytes() <= memory_before * MEMORY_GROWTH

        await system.becomes(memory_is_back, f"memory is back at {memory_before}, it is {system.memory_bytes()}")
        say(f"memory before {memory_before >> 20} MiB, after {system.memory_bytes() >> 20} MiB")
        assert not any("Traceback" in bridge.output() for bridge in system.bridges), system.complaints()
