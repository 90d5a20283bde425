"""Whatever owners reply and callers take back: each call gets exactly one answer, and nothing of it stays."""

import asyncio
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from ipc.hub.breaker import Breaker
from ipc.hub.calls import Calls
from ipc.hub.counters import Counters
from ipc.hub.open_call import Answer, OpenCall, Request
from ipc.hub.owners import Directory
from ipc.hub.session import Identity, Origin, Session
from ipc.protocol.errors import IPCError
from ipc.protocol.limits import Limits
from ipc.protocol.messages import CallError, Reply
from ipc.stores.resources import Claim
from tests.ipc.hub.test_owners import SERVICE, Store
from tests.ipc.peers import RecordingPeer

SESSIONS, LIMIT = 3, 2
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["read", "create", "reply", "fail", "spoil", "forge", "cancel", "leave", "run out"]),
        st.integers(0, 9),
    ),
    max_size=40,
)


class World:
    """One hub's calls, three owners, and a caller that counts its answers."""

    def __init__(self) -> None:
        self.sessions = {session.id: session for session in (self._session() for _ in range(SESSIONS))}
        claims = tuple(
            Claim(instance=each.instance, session=each.id, hub="h1", address="", ops=("read", "create"), limit=9)
            for each in self.sessions.values()
        )
        self.directory = Directory(Store(*claims), lambda: Breaker(10**6, 5.0))
        self.calls = Calls("h1", self.directory, self.sessions, Counters(), limit_of=lambda *_: LIMIT)
        self.begun: list[OpenCall] = []
        self.answers: Counter[str] = Counter()

    def _session(self) -> Session:
        identity = Identity(service=SERVICE, permissions=frozenset({"*"}))
        origin = Origin(door="test", pid=1, hostname="host")
        return Session(RecordingPeer(), identity, origin, Limits(), on_close=lambda _session: None)

    def replied(self, call_id: str, _answer: Answer) -> None:
        self.answers[call_id] += 1

    def step(self, kind: str, number: int) -> None:
        if kind in {"read", "create"}:
            request = Request("posts", kind, f'"op":"{kind}"', None, is_repeatable=kind == "read")
            self.begun.append(self.calls.begin(self, str(len(self.begun)), request, 60))
        elif kind == "leave":
            if self.sessions:
                session = list(self.sessions.values())[number % len(self.sessions)]
                session.is_closed = True
                self.calls.leave(session)
                del self.sessions[session.id]
        elif self.begun:
            self.act(kind, self.begun[number % len(self.begun)], number)

    def act(self, kind: str, call: OpenCall, number: int) -> None:
        if kind == "cancel":
            self.calls.abandon(call)
        elif kind == "run out":
            call.deadline = 0.0
            self.calls.abandon(call)
        elif call.session is not None:
            other = next((each for each in self.sessions.values() if each is not call.session), call.session)
            reply = {
                "reply": Reply(id=call.id, data=Raw(b"1")),
                "fail": Reply(id=call.id, error=CallError(code=["INTERNAL", "NO_OWNER", "X"][number % 3], message="")),
                "spoil": Reply(id=call.id, data=Raw(b'"\\q"')),
                "forge": Reply(id=call.id, data=Raw(b"2")),
            }[kind]
            try:
                self.calls.settle(other if kind == "forge" else call.session, reply)
            except IPCError:
                assert kind in {"spoil", "forge"}

    def check(self) -> None:
        """What is open is with at most one session, which is there, and nobody has more than it takes."""
        held = Counter(call.session for call in self.begun if call.session is not None)
        assert all(session.id in self.sessions and count <= LIMIT for session, count in held.items())
        for call in self.begun:
            assert self.answers[call.caller_id] == int(call.is_over)
            assert (self.calls.open.find(call.id) is None) == call.is_over


async def play(steps: list[tuple[str, int]]) -> None:
    world = World()
    await world.directory.look_up("posts")
    for kind, number in steps:
        world.step(kind, number)
        await asyncio.sleep(0)
        world.check()
    await world.calls.close()
    await world.directory.close()
    world.check()
    assert all(count == 1 for count in world.answers.values())
    assert len(world.answers) == len(world.begun)
    for _, owners in world.directory.all():
        assert [owner.in_flight for owner in owners.instances.values()] == [0] * len(owners.instances)
    for session in world.sessions.values():
        assert world.calls.answering(session) == 0
        await session.ended()


@settings(max_examples=150)
@given(STEPS)
def test_each_call_gets_exactly_one_answer(steps: list[tuple[str, int]]) -> None:
    asyncio.run(play(steps))
