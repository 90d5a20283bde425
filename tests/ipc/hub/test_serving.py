"""Claims of sessions: all or none, whatever Redis and the session do meanwhile, and nothing is left behind."""

import asyncio

import pytest

from ipc.hub.hub import Hub
from ipc.protocol.errors import UnavailableError
from ipc.stores.resources import Claim
from tests.ipc.conftest import MakeHub
from tests.ipc.exchange import Exchange
from tests.ipc.parties import Party
from tests.ipc.peers import GUARD_S


async def owners(hub: Hub, resource: str = "posts") -> tuple[Claim, ...]:
    return (await hub.calling.directory._store.owners(resource)).claims


class Gate:
    """Holds the claims that a hub writes, or loses the answers to them."""

    def __init__(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = asyncio.Event()
        self.waits = asyncio.Event()
        self.loses = ""
        store = hub.calling.serving._store
        claim = store.claim

        async def held(resource: str, service: str, claimed: Claim) -> str:
            self.waits.set()
            await self.open.wait()
            owner = await claim(resource, service, claimed)
            if resource == self.loses:
                raise UnavailableError("the answer was lost")
            return owner

        monkeypatch.setattr(store, "claim", held)


@pytest.fixture
async def gate(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(hub, monkeypatch)


async def test_a_session_that_leaves_while_its_claim_is_written_leaves_nothing(hub: Hub, gate: Gate) -> None:
    party = Party(hub, "timeline")
    serving = asyncio.create_task(party.say({"type": "serve", "id": "s", "resources": [{"name": "p", "ops": ["a"]}]}))
    await gate.waits.wait()
    await party.leaves()
    gate.open.set()
    await serving
    await hub.calling.serving.close()
    assert await owners(hub, "p") == ()


async def test_a_renewal_does_not_bring_back_what_was_released_meanwhile(hub: Hub, gate: Gate) -> None:
    party = Party(hub, "timeline")
    gate.open.set()
    await party.serve("posts")
    gate.open.clear()
    gate.waits.clear()
    renewing = asyncio.create_task(hub.calling.serving.renew())
    await gate.waits.wait()
    ending = asyncio.create_task(party.serve())
    await asyncio.sleep(0)
    gate.open.set()
    await asyncio.gather(renewing, ending)
    assert await owners(hub) == ()


async def test_all_or_none_also_when_an_answer_is_lost(hub: Hub, gate: Gate) -> None:
    """The claim may have been written all the same."""
    party = Party(hub, "timeline")
    gate.open.set()
    gate.loses = "b"
    assert (await party.serve("a", "b", "c"))["code"] == "UNAVAILABLE"
    assert [await owners(hub, name) for name in "abc"] == [(), (), ()]
    assert hub.calling.serving.resources_of(party.session) == {}


async def test_what_was_served_before_a_refusal_is_served_as_before(make_hub: MakeHub) -> None:
    hub = await make_hub()
    party, other = Party(hub, "timeline"), Party(hub, "spark")
    await other.serve("taken")
    await party.serve("posts", ops=("read",))
    assert (await party.serve("posts", "taken", ops=("create",)))["code"] == "RESOURCE_TAKEN"
    assert [claim.ops for claim in await owners(hub)] == [("read",)]
    assert hub.calling.serving.resources_of(party.session) == {"posts": ("read",)}


async def test_handing_over_takes_the_permission_to_serve_and_is_bounded(make_hub: MakeHub) -> None:
    hub = await make_hub()
    owner, weak = Party(hub, "timeline"), Party(hub, "timeline", permissions=["serve:users"])
    await owner.serve("posts")
    assert (await weak.serve("users", hand_over={"posts": "spark"}))["code"] == "FORBIDDEN"
    many = {f"r{number}": "spark" for number in range(65)}
    assert (await owner.serve("posts", hand_over=many))["code"] == "INVALID_MESSAGE"
    assert (await owner.serve("posts", hand_over={"posts": "nobody"}))["code"] == "UNKNOWN_SERVICE"
    heir = Party(hub, "spark")
    assert (await heir.serve("posts"))["code"] == "RESOURCE_TAKEN"


async def test_a_hand_over_loses_no_call(make_hub: MakeHub) -> None:
    """What the old owner has begun it finishes; what comes afterwards is the heir's."""
    hub, other = await make_hub(), await make_hub()
    caller, owner, heir = Party(other, "herald"), Party(hub, "timeline"), Party(hub, "spark")
    await owner.serve("posts")
    await caller.call("before", "create")
    given = await owner.given()
    assert (await owner.serve("posts", hand_over={"posts": "spark"}))["type"] == "ok"
    assert (await heir.serve("posts"))["type"] == "ok"
    await caller.call("after", "create")
    await heir.answer_call(await heir.given(), data="of the heir")
    await owner.answer_call(given, data="of the owner")
    assert (await caller.reply("before"))["data"] == "of the owner"
    assert (await caller.reply("after"))["data"] == "of the heir"
    await hub.calling.serving.renew()
    assert hub.calling.serving.resources_of(owner.session) == {}


async def test_a_hub_that_listens_anew_claims_its_new_address_at_once(make_hub: MakeHub, exchange: Exchange) -> None:
    hub, other = await make_hub(), await make_hub()
    caller, owner = Party(other, "herald"), Party(hub, "timeline")
    await owner.serve("posts")
    (before,) = await owners(hub)
    pushes = hub.calling._pushes
    assert pushes is not None
    await pushes._join()
    pushes.on_joined()
    async with asyncio.timeout(GUARD_S):
        await asyncio.gather(*hub.calling.serving._tasks.running)
    (after,) = await owners(hub)
    assert (after.address != before.address, after.address) == (True, pushes.address)
    assert caller.hub.counters.interhub_failed == 0
