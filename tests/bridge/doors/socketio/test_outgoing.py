"""What waits to be written is written in its order, and nobody waits for what never will be."""

import asyncio

from bridge.doors.socketio.outgoing import Outgoing


async def test_who_carries_waits_until_it_is_written() -> None:
    outgoing = Outgoing()
    outgoing.put(["first"])
    carrying = asyncio.create_task(outgoing.carry(["second", "third"]))
    await asyncio.sleep(0)
    assert outgoing.take().texts == ["first"]
    bundle = outgoing.take()
    assert bundle.texts == ["second", "third"]
    assert not carrying.done()
    bundle.done()
    bundle.done()
    await carrying


async def test_a_writer_is_told_when_there_is_something_and_when_there_never_will_be() -> None:
    outgoing = Outgoing()
    arrival = asyncio.create_task(outgoing.arrival())
    await asyncio.sleep(0)
    assert not arrival.done()
    outgoing.put(["a"])
    await arrival
    outgoing.take()
    ending = asyncio.create_task(outgoing.arrival())
    await asyncio.sleep(0)
    outgoing.close()
    await ending
    assert not outgoing


async def test_nobody_waits_on_a_connection_that_is_gone() -> None:
    outgoing = Outgoing()
    carrying = asyncio.create_task(outgoing.carry(["a"]))
    await asyncio.sleep(0)
    outgoing.close()
    await carrying
    await outgoing.carry(["too late"])
    assert not outgoing


async def test_what_waits_that_nobody_waits_for_is_known() -> None:
    outgoing = Outgoing()
    carrying = asyncio.create_task(outgoing.carry(["awaited"]))
    await asyncio.sleep(0)
    outgoing.put(["four", "five!"])
    outgoing.put(["six"])
    assert outgoing.unawaited == 12
    outgoing.take().done()
    await carrying
    assert outgoing.unawaited == 12
    outgoing.take()
    assert outgoing.unawaited == 3
    outgoing.close()
    outgoing.put(["too late"])
    assert outgoing.unawaited == 0


async def test_one_who_stops_waiting_spoils_nothing() -> None:
    outgoing = Outgoing()
    carrying = asyncio.create_task(outgoing.carry(["a"]))
    await asyncio.sleep(0)
    carrying.cancel()
    await asyncio.gather(carrying, return_exceptions=True)
    outgoing.take().done()
