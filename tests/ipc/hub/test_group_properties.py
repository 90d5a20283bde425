"""A state machine: two hubs with members that come, go, answer and crash; nothing is lost and no credit is exceeded."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ipc.hub.group_task import TEND_S
from ipc.hub.hub import Hub
from ipc.hub.mesh import redis_stores
from ipc.protocol.limits import Limits
from ipc.stores import keys
from ipc.stores.connection import connect
from ipc.stores.groups import Groups
from tests.ipc.durable import GROUP, NAME, SERVICE, GroupMember, Wound, eventually, pending
from tests.ipc.exchange import Exchange
from tests.ipc.peers import Message

T = TypeVar("T")
CREDIT = 2
RETRY = {"backoff_ms": [0] * 32}


class Held(GroupMember):
    """A member with what it has not answered."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub)
        self.answered: set[str] = set()

    @property
    def holds(self) -> list[Message]:
        return [event for event in self.peer.events if event["delivery"] not in self.answered]


class GroupMachine(RuleBasedStateMachine):
    """Each rule runs on a loop of the machine, on hubs that share a real Valkey."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.hubs: list[Hub] = []
        self.members: list[Held] = []
        self.emitted = 0
        self.done: set[int] = set()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    @initialize()
    def begin(self) -> None:
        self.run(self._begin())

    async def _begin(self) -> None:
        self.clock, self.exchange = Wound(), Exchange()
        self.redis = connect(self.url)
        self.stack.push_async_callback(self.redis.aclose)
        await self.redis.flushall()
        for _ in range(2):
            await self._new_hub()
        self.groups = Groups(self.redis)
        await self._join(0)

    async def _new_hub(self) -> None:
        client = connect(self.url)
        self.stack.push_async_callback(client.aclose)
        hub = Hub(
            stores=redis_stores(client),
            channel_layer=self.exchange.layer(),
            limits=Limits(drain_ms=1),
            clock=self.clock,
            announces=False,
        )
        await hub.start()
        self.stack.push_async_callback(hub.stop)
        self.hubs.append(hub)

    async def _join(self, index: int) -> None:
        member = Held(self.hubs[index])
        await member.join(credit=CREDIT, retry=RETRY)
        self.members.append(member)

    @rule(index=st.integers(0, 1))
    @precondition(lambda self: len(self.members) < 4)
    def join(self, index: int) -> None:
        self.run(self._join(index))

    @rule(count=st.integers(1, 5))
    def emit(self, count: int) -> None:
        async def emit() -> None:
            emitter = GroupMember(self.hubs[0], "timeline")
            await emitter.emit_numbers(range(self.emitted, self.emitted + count), target="herald")
            self.emitted += count
            await self.hubs[0].detach(emitter.session)

        self.run(emit())

    @rule(data=st.data(), how=st.sampled_from(["ack", "ack", "nack", "leave", "unsubscribe"]))
    @precondition(lambda self: self.members)
    def answer(self, data: st.DataObject, how: str) -> None:
        member = data.draw(st.sampled_from(self.members))
        self.run(self._answer(member, how))

    async def _answer(self, member: Held, how: str) -> None:
        if how == "leave":
            self.members.remove(member)
            await member.hub.detach(member.session)
        elif how == "unsubscribe":
            await member.ask(type="unsubscribe", events=[], group=GROUP)
            await self._acknowledge(member)
            self.members.remove(member)
        elif how == "ack":
            await self._acknowledge(member)
        else:
            for event in member.holds[:1]:
                member.answered.add(event["delivery"])
                await member.nack(event)

    async def _acknowledge(self, member: Held) -> None:
        events = member.holds
        if events:
            member.answered.update(event["delivery"] for event in events)
            self.done.update(event["data"] for event in events)
            await member.ack(*events)

    @rule()
    def crash(self) -> None:
        """The first hub dies without a word, and a new one comes."""

        async def crash() -> None:
            hub = self.hubs.pop(0)
            await hub.deliveries._tasks.close()
            await self.redis.zrem(keys.serving(SERVICE, GROUP), hub.id)
            self.members = [member for member in self.members if member.hub is not hub]
            await self._new_hub()

        self.run(crash())

    @invariant()
    def no_credit_is_exceeded(self) -> None:
        for member in self.members:
            assert len(member.holds) <= CREDIT, f"{len(member.holds)} held with a credit of {CREDIT}"

    def teardown(self) -> None:
        try:
            if self.hubs:
                self.run(self._all_is_handled())
        finally:
            self.run(self.stack.aclose())
            self.runner.close()

    async def _all_is_handled(self) -> None:
        if not self.members:
            await self._join(0)

        async def is_done() -> bool:
            self.no_credit_is_exceeded()
            for member in self.members:
                await self._acknowledge(member)
            self.clock.forward(TEND_S)
            return len(self.done) == self.emitted and await pending(self.groups, name=NAME) == []

        await eventually(is_done)
        assert self.done == set(range(self.emitted))
        assert await self.redis.xlen(keys.dead(SERVICE, GROUP)) == 0


def test_whatever_members_and_hubs_do_every_event_is_handled(redis_url: str) -> None:
    """At least once each, never more in a member's hands than its credit, and nothing is given up."""
    GroupMachine.url = redis_url
    run_state_machine_as_test(
        GroupMachine,
        settings=settings(max_examples=15, stateful_step_count=12, suppress_health_check=list(HealthCheck)),
    )
