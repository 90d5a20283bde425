"""Valkey is stopped, or frozen, while events are being made: none is lost, none comes twice, each keeps its place."""

import asyncio
import os
import time
from collections import defaultdict
from typing import Any

import httpx
import pytest

from exprsn.embedded import EmbeddedValkey
from tests.clients import DEADLINE_S, attached
from tests.faults.conftest import Heard, Listening, emitting
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes

OUTAGE_S = float(os.environ.get("FAULTS_OUTAGE_S", "10"))
FREEZE_S = float(os.environ.get("FAULTS_FREEZE_S", "6"))
"""Longer than the hub waits for an answer (5 s), so that appends are given up that Valkey carries out later."""
POSTS = 20

Expected = dict[str, list[tuple[str, str]]]


class Author:
    """Writes posts over Timeline's HTTP API, each of which must succeed, and knows the events that must follow."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self.expected: Expected = defaultdict(list)

    def write(self, number: int) -> None:
        """Create a post; update every other one twice, and delete every third."""
        post = self._call("POST", "/api/posts", 201, json={"content": f"post {number}"}).json()
        self._expect("post:created", post)
        if number % 2:
            for word in ("first", "second"):
                text = {"content": f"post {number}, {word} thought"}
                self._expect("post:updated", self._call("PATCH", f"/api/posts/{post['id']}", 200, json=text).json())
        if number % 3 == 0:
            self._call("DELETE", f"/api/posts/{post['id']}", 204)
            self.expected[post["id"]].append(("post:deleted", ""))

    @property
    def count(self) -> int:
        return sum(map(len, self.expected.values()))

    def _expect(self, event: str, post: dict[str, Any]) -> None:
        self.expected[post["id"]].append((event, post["content"]))

    def _call(self, method: str, path: str, status: int, **options: Any) -> httpx.Response:
        response = self._client.request(method, path, **options)
        assert response.status_code == status, (method, path, response.status_code, response.text[:300])
        return response


def by_post(heard: Heard) -> Expected:
    found: Expected = defaultdict(list)
    for event, data in heard.events:
        found[data["id"]].append((event, data.get("content", "")))
    return found


def write_through_an_outage(author: Author, valkey: EmbeddedValkey) -> None:
    """Keep Valkey down until so many posts are written and so much time is over."""
    valkey.stop()
    down_until, written = time.monotonic() + OUTAGE_S, 0
    while written < POSTS or time.monotonic() < down_until:
        author.write(written)
        written += 1
        # A steady trickle, not a flood: the outage is to be long, not the list.
        time.sleep(OUTAGE_S / POSTS / 2)


async def test_posts_of_an_outage_arrive_once_and_in_order(
    own_valkey: EmbeddedValkey, timeline: ServerProcess, listening: Listening
) -> None:
    """Every request succeeds while Valkey is down; its events wait in the outbox and come when it is back."""
    async with listening("herald", "post:*") as heard:
        with httpx.Client(
            base_url=timeline.url, verify=timeline.trust, headers={"X-IPC-Request": "true"}, timeout=30, trust_env=False
        ) as client:
            author = Author(client)
            await asyncio.to_thread(author.write, 0)
            await heard.count(author.count)
            await asyncio.to_thread(write_through_an_outage, author, own_valkey)
            assert timeline.get("/health").json()["checks"]["ipc"]["pending"] > 0
            assert by_post(heard) != author.expected
            own_valkey.start()
            await asyncio.to_thread(author.write, 1)
            await heard.count(author.count)
            # One more round trip would bring whatever came twice.
            await asyncio.to_thread(author.write, 2)
            await heard.count(author.count)
        assert by_post(heard) == author.expected
        assert len(heard.ids) == len(set(heard.ids)) == author.count
        assert timeline.get("/health").json()["checks"]["ipc"]["parked"] == 0


async def test_a_post_survives_the_kill_of_timeline_with_valkey_down(
    own_valkey: EmbeddedValkey, timeline: ServerProcess, listening: Listening
) -> None:
    """kill -9 right after the 201: the row was committed with the post, so the next Timeline sends its event."""
    async with listening("herald", "post:*") as heard:
        own_valkey.stop()
        response = timeline.request("POST", "/api/posts", json={"content": "late"}, headers={"X-IPC-Request": "true"})
        timeline.kill()
        assert response.status_code == 201
        own_valkey.start()
        timeline.launch()
        await heard.count(1)
        assert [(event, data["id"]) for event, data in heard.events] == [("post:created", response.json()["id"])]


async def test_a_frozen_valkey_loses_nothing_and_repeats_nothing(
    own_valkey: EmbeddedValkey, bridge: ServerProcess, listening: Listening
) -> None:
    """Emits that were given up, carried out by Valkey all the same and repeated with their id are heard once."""
    async with (
        listening("herald", "tick:*") as heard,
        emitting("atlas", bridge=bridge) as through_bridge,
        emitting("nexus", redis_url=own_valkey.url) as directly,
        attached(bridge, "pulse") as raw,
    ):
        await directly.emit("tick:before", target="herald")
        await heard.count(1)
        own_valkey.pause()
        try:
            thaw = asyncio.create_task(asyncio.sleep(FREEZE_S))
            emits = [
                asyncio.create_task(
                    worker.emit(f"tick:{name}", number, target="herald", id=f"{name}-{number}", timeout_s=DEADLINE_S)
                )
                for number in range(10)
                for name, worker in (("bridge", through_bridge), ("direct", directly))
            ]
            refused = await raw.ask(type="emit", event="tick:raw", target="herald", id="raw-0", ack=True)
            assert (refused["type"], refused["retryable"]) == ("error", True)
            await thaw
        finally:
            own_valkey.resume()
        positions = await asyncio.gather(*emits)
        assert len(set(positions)) == 20
        assert (await raw.ask(type="emit", event="tick:raw", target="herald", id="raw-0", ack=True))["type"] == "ok"
        await directly.emit("tick:after", target="herald")
        await heard.until(lambda heard: heard.events[-1][0] == "tick:after", "the last event")
        expected: set[tuple[str, int | None]] = {("tick:raw", None), ("tick:before", None), ("tick:after", None)}
        expected |= {(f"tick:{name}", number) for name in ("bridge", "direct") for number in range(10)}
        assert len(heard.events) == len(expected)
        assert set(heard.events) == expected
