"""What a session was refused is in the audit trail: once a minute for each kind, whoever tries it how often."""

import asyncio
import time

import pytest

from ipc.hub.hub import Hub
from ipc.hub.refusals import MAX_WAITING, Refusals
from ipc.protocol.errors import BadMessageError, ForbiddenError
from ipc.protocol.tokens import TokenKeys
from ipc.stores.tokens import BrokerTokenManager
from ipc.testing.audit import MemoryAudit
from ipc.testing.token_records import MemoryTokenRecords
from tests.ipc.conftest import MakeHub
from tests.ipc.members import Member

KEYS = TokenKeys.of("a key of these tests 0123456789 abcdef")


@pytest.fixture
def audit() -> MemoryAudit:
    return MemoryAudit()


@pytest.fixture
async def hub(make_hub: MakeHub, audit: MemoryAudit) -> Hub:
    records = MemoryTokenRecords(lambda: time.time_ns() // 1_000_000)
    return await make_hub(tokens=BrokerTokenManager(records, KEYS, audit))


async def test_what_a_session_may_not_is_in_the_trail_once(hub: Hub, audit: MemoryAudit) -> None:
    member = Member(hub, permissions=["emit:post:*"])
    for _ in range(3):
        assert (await member.ask(type="emit", event="user:deleted"))["code"] == "FORBIDDEN"
    assert (await member.ask(type="serve", resources=[{"name": "mails", "ops": ["read"]}]))["code"] == "FORBIDDEN"
    assert (await member.ask(type="emit", event="none"))["code"] == "INVALID_EVENT"
    async with asyncio.timeout(10):
        while len(audit.entries) < 2:
            await hub.proofs.refusals.write()
    await hub.proofs.refusals.write()
    assert [entry[:3] for entry in audit.entries] == [
        ("session.refused", "exprsn-herald", "emit:user:deleted"),
        ("session.refused", "exprsn-herald", "serve:mails"),
    ]


async def test_who_tries_everything_fills_nothing(hub: Hub) -> None:
    member = Member(hub, permissions=[])
    refusals = Refusals(hub.proofs.manager, hub.counters)
    for number in range(2 * MAX_WAITING):
        refusals.add(member.session, ForbiddenError("no", details={"needed": f"emit:a:{number}"}))
    assert len(refusals._waiting) == MAX_WAITING


async def test_a_mistake_is_no_refusal(hub: Hub) -> None:
    refusals = Refusals(hub.proofs.manager, hub.counters)
    refusals.add(Member(hub).session, BadMessageError("wrong"))
    assert not refusals._waiting
