"""Backpressure under daphne: who writes waits while the connection takes nothing."""

import asyncio

from certs.backpressure import Writability


class Transport:
    """What Twisted's transports do with a producer, as far as it is needed."""

    def __init__(self) -> None:
        self.producer: object = "the HTTP channel"

    def unregisterProducer(self) -> None:  # noqa: N802 - Twisted's name
        self.producer = None

    def registerProducer(self, producer: object, streaming: bool) -> None:  # noqa: N802 - Twisted's signature
        assert (self.producer, streaming) == (None, True)
        self.producer = producer


async def test_it_takes_the_place_of_the_http_channel_and_does_not_wait_at_first() -> None:
    transport = Transport()
    writability = Writability(transport)
    assert transport.producer is writability
    async with asyncio.timeout(5):
        await writability.wait()


async def test_a_writer_waits_until_the_buffer_is_empty_or_the_connection_is_gone() -> None:
    writability = Writability(Transport())
    for go_on in (writability.resumeProducing, writability.stopProducing):
        writability.pauseProducing()
        writing = asyncio.create_task(writability.wait())
        await asyncio.sleep(0)
        assert not writing.done()
        go_on()
        async with asyncio.timeout(5):
            await writing
