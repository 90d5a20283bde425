"""A body that is larger than any view takes is refused before Django has written it to disk, and so is a late one."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from exprsn.bodies import BoundedBodies, Message

LIMIT = 10


class Asked:
    """A request that comes in chunks, and what is answered to it."""

    def __init__(self, chunks: Sequence[bytes], length: str | None = None) -> None:
        headers = [] if length is None else [(b"content-length", length.encode())]
        self.scope = {"type": "http", "headers": headers}
        self.answers: list[Message] = []
        self.read: list[bytes] = []
        self._left = [*chunks]
        self.never_ends = self.waits = False
        self.gone = asyncio.Event()

    async def serve(self, timeout_s: float = 30.0) -> int:
        """Return the status."""
        await BoundedBodies(self._application, LIMIT, timeout_s)(self.scope, self._receive, self._send)
        (status,) = (each["status"] for each in self.answers if each["type"] == "http.response.start")
        return int(status)

    async def _receive(self) -> Message:
        if not self._left:
            await self.gone.wait()
            return {"type": "http.disconnect"}
        chunk = self._left.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(self._left) or self.never_ends}

    async def _send(self, message: Message) -> None:
        self.answers.append(message)

    async def _application(self, _scope: Any, receive: Any, send: Any) -> None:
        """Read all of it, as Django does, and answer unless the client has gone."""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                # Whoever asks again is told the same.
                assert (await receive())["type"] == "http.disconnect"
                return
            self.read.append(message["body"])
            if not message["more_body"]:
                break
        if self.waits:
            assert (await receive())["type"] == "http.disconnect"
        await send({"type": "http.response.start", "status": 200, "headers": []})


@pytest.mark.parametrize(
    "chunks", [[b""], [b"x" * LIMIT], [b"x"] * LIMIT, [b"", b"x" * LIMIT, b""]], ids=["none", "one", "many", "empty"]
)
async def test_a_body_within_the_limit_is_read(chunks: list[bytes]) -> None:
    asked = Asked(chunks)
    assert await asked.serve() == 200
    assert asked.read == chunks


@pytest.mark.parametrize("chunks", [[b"x" * (LIMIT + 1)], [b"x"] * 1_000])
async def test_a_body_that_turns_out_too_large_is_read_no_further(chunks: list[bytes]) -> None:
    asked = Asked(chunks)
    assert await asked.serve() == 413
    assert sum(map(len, asked.read)) <= LIMIT
    body = json.loads(asked.answers[-1]["body"])
    assert (body["success"], body["error"], body["details"]) == (False, "FRAME_TOO_LARGE", {"limit": LIMIT})


async def test_one_that_says_so_is_not_read_at_all() -> None:
    asked = Asked([b"x"], length=str(LIMIT + 1))
    assert await asked.serve() == 413
    assert asked.read == []


@pytest.mark.parametrize("chunks", [[b""], [b"x"], [b"x"] * LIMIT])
async def test_one_that_does_not_come_to_its_end_is_given_up(chunks: list[bytes]) -> None:
    asked = Asked(chunks)
    asked.never_ends = True
    assert await asked.serve(timeout_s=0.01) == 408
    assert asked.read == chunks
    assert json.loads(asked.answers[-1]["body"])["error"] == "TIMEOUT"
    assert (b"connection", b"close") in asked.answers[0]["headers"]


async def test_who_waits_for_the_client_to_go_waits_as_long_as_it_likes() -> None:
    """A feed, or a call that takes its time: only the body has to come."""
    asked = Asked([b"x"])
    asyncio.get_running_loop().call_later(0.02, asked.gone.set)
    asked.waits = True
    assert await asked.serve(timeout_s=0.001) == 200


async def test_a_length_of_more_digits_than_there_are_bytes_is_too_large() -> None:
    asked = Asked([b"x"], length="9" * 5_000)
    assert await asked.serve() == 413
    assert asked.read == []


@pytest.mark.parametrize("length", ["", "-1", "ten", "\u00b2", " 11"])
async def test_a_length_that_is_none_says_nothing(length: str) -> None:
    """The server refuses it before; what comes is counted in any case."""
    asked = Asked([b"x" * (LIMIT + 1)], length=length)
    assert await asked.serve() == 413
