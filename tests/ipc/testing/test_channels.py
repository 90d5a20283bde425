"""The channel layer of a test: copies for everybody in a group, and nothing for a channel that is full."""

from ipc.testing.channels import MAX_WAITING, MemoryChannels


async def test_each_channel_of_a_group_gets_a_copy() -> None:
    channels = MemoryChannels()
    one, other, outside = [await channels.new_channel() for _ in range(3)]
    for channel in (one, other, outside):
        await channels.group_add("a" if channel != outside else "b", channel)
    await channels.group_send("a", {"type": "ipc.push", "positions": ["1-0"]})
    await channels.group_send("b", {"type": "ipc.hello"})
    first, second = await channels.receive(one), await channels.receive(other)
    assert first == second == {"type": "ipc.push", "positions": ["1-0"]}
    first["positions"].append("2-0")
    assert second["positions"] == ["1-0"]
    assert await channels.receive(outside) == {"type": "ipc.hello"}


async def test_a_channel_that_is_full_loses_messages() -> None:
    """As the real one does; the log has them."""
    channels = MemoryChannels()
    channel = await channels.new_channel()
    await channels.group_add("a", channel)
    for number in range(MAX_WAITING + 10):
        await channels.group_send("a", {"number": number})
    for number in range(MAX_WAITING):
        assert await channels.receive(channel) == {"number": number}
    await channels.group_send("a", {"number": "next"})
    assert await channels.receive(channel) == {"number": "next"}
