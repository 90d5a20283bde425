"""The demonstration: one post is created, changed and deleted, and each step of its way is printed with its time."""

import asyncio
import logging
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx

from exprsn.supervision.health import https_client
from exprsn.supervision.output import PrefixedOutput
from exprsn.supervision.preparation import check_writable
from exprsn.supervision.programs import Layout
from exprsn.supervision.system import System
from ipc import EventContext, IPCError, IPCWorker, NotFoundError
from ipc.transports.websocket import WebSocketTransport

STEP_TIMEOUT_S: Final = 10.0
POLL_S: Final = 0.02
LAST_LINES: Final = 30
READERS: Final = ("ada", "grace")

Say = Callable[[str], None]
T = TypeVar("T")


class StepError(Exception):
    """A step of the demonstration did not happen; the message names it."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one service does with a post: the event it reports with, and its work in words for each post event."""

    event: str
    words: Mapping[str, str]


STEPS: Final = (
    Step(
        "notification:sent",
        {
            "post:created": "herald handled it: its notification is out",
            "post:updated": "herald handled it: its notification is out",
            "post:deleted": "herald handled it: its notifications are withdrawn",
        },
    ),
    Step(
        "moderation:completed",
        {
            "post:created": "moderator handled it and approved",
            "post:updated": "moderator handled it and approved",
            "post:deleted": "moderator handled it: a deleted post has nothing left to check",
        },
    ),
    Step(
        "cache:updated",
        {
            "post:created": "prefetch cached it",
            "post:updated": "prefetch cached it anew",
            "post:deleted": "prefetch took it out of its cache",
        },
    ),
    Step(
        "users:notified",
        {
            "post:created": "spark notified {count} users online",
            "post:updated": "spark notified {count} users online",
            "post:deleted": "spark notified {count} users online",
        },
    ),
)


class Observer:
    """A service like any other, exprsn-pulse: it hears of posts through the bridge."""

    def __init__(self) -> None:
        self.worker = IPCWorker("exprsn-pulse")
        self._heard: dict[tuple[str, str], EventContext] = {}
        self._news = asyncio.Condition()
        self.worker.on("post:*")(self._hear)

    async def _hear(self, post: dict[str, Any], ctx: EventContext) -> None:
        async with self._news:
            self._heard[post["id"], ctx.event] = ctx
            self._news.notify_all()

    async def heard(self, post_id: str, event: str) -> EventContext:
        """Wait for an event of a post."""
        async with self._news:
            await self._news.wait_for(lambda: (post_id, event) in self._heard)
            return self._heard[post_id, event]

    async def read(self, post_id: str, event: str) -> str:
        """Call Timeline's resource ``posts`` for the post that an event was about, and return what is there in words.

        Raises:
            IPCError: the reply is another than the event says.

        """
        is_deleted = event == "post:deleted"
        try:
            post = await self.worker.read("posts", key=post_id)
        except NotFoundError:
            if is_deleted:
                return "pulse called Timeline for it: there is no such post any more"
            raise
        if is_deleted:
            raise IPCError("a deleted post was read")
        return f"pulse called Timeline for it and read {post['content']!r}"


class Demo:
    """Runs the three operations against a system that is up.

    Args:
        say: prints a line.
        step_timeout_s: how long each step may take.

    """

    def __init__(self, layout: Layout, say: Say, *, step_timeout_s: float = STEP_TIMEOUT_S) -> None:
        self._layout = layout
        self._say = say
        self._step_timeout_s = step_timeout_s
        self._observer = Observer()
        self._client = https_client(layout.certs_dir, timeout_s=step_timeout_s)

    async def run(self) -> int:
        """Go through all steps; 0 when each of them happened in time, otherwise 1."""
        began = time.monotonic()
        try:
            async with self._client:
                await self._go_through()
        except StepError as error:
            self._say(f"\n  FAILED  {error}")
            return 1
        finally:
            await self._observer.worker.stop(timeout_s=1.0)
        self._say(f"\n  Every step happened. The whole way, three times: {time.monotonic() - began:.2f} s")
        return 0

    async def _go_through(self) -> None:
        bridge = WebSocketTransport(
            self._layout.bridge_ws_url,
            "exprsn-pulse",
            ca_file=self._layout.ca_file,
            certs_dir=self._layout.certs_dir,
        )
        await self._observer.worker.start(bridge)
        await self._in_time("an observer attaches to the bridge", self._observer.worker.ready())
        for reader in READERS:
            await self._in_time("a reader logs in", self._observer.worker.emit("user:login", {"userId": reader}))
        posts = f"{self._layout.timeline_url}/api/posts"
        created = await self._operation(
            "post:created", self._client.post(posts, json={"content": "Hello from the demo", "visibility": "public"})
        )
        address = f"{posts}/{created}"
        await self._operation(
            "post:updated", self._client.patch(address, json={"content": "Hello again from the demo"}), created
        )
        await self._operation("post:deleted", self._client.delete(address), created)
        for reader in READERS:
            await self._in_time("a reader logs out", self._observer.worker.emit("user:logout", {"userId": reader}))

    async def _operation(self, event: str, request: Awaitable[httpx.Response], post_id: str = "") -> str:
        began_ms = time.time_ns() // 1_000_000
        response = await self._in_time(f"{event}: saved", request)
        if not response.is_success:
            raise StepError(f"{event}: saved: Timeline answered {response.status_code} {response.text[:200]}")
        saved_ms = time.time_ns() // 1_000_000 - began_ms
        post_id = post_id or str(response.json()["id"])
        self._say(f"\n  {event}  {post_id}")
        # They are waited for one after another, and happen as they like.
        steps = [(saved_ms, f"saved: Timeline answered {response.status_code}")]
        try:
            await self._follow(event, post_id, began_ms, steps)
        finally:
            for after_ms, text in sorted(steps, key=lambda step: step[0]):
                self._say(f"  {after_ms:>8} ms  {text}")
        return post_id

    async def _follow(self, event: str, post_id: str, began_ms: int, steps: list[tuple[int, str]]) -> None:
        """Wait for each step of an event's way, and add it to the list."""
        ctx = await self._in_time(f"{event}: in the log", self._observer.heard(post_id, event))
        steps.append((ctx.timestamp - began_ms, f"in the log {ctx.log} at position {ctx.position}"))
        read = await self._in_time(f"{event}: read by a call", self._observer.read(post_id, event))
        steps.append((time.time_ns() // 1_000_000 - began_ms, read))
        completions = []
        for step in STEPS:
            name = f"{event}: {step.words[event]} ({step.event})"
            completion = await self._in_time(name, self._completion(post_id, event, step))
            if completion["data"].get("verdict", "approved") != "approved":
                raise StepError(f"{name}: the verdict is {completion['data']['verdict']}")
            steps.append((completion["handledAt"] - began_ms, step.words[event].format_map(completion["data"])))
            completions.append(completion)
        heard_ms = max(completion["receivedAt"] for completion in completions) - began_ms
        steps.append((heard_ms, f"Timeline heard each completion: {len(completions)} of {len(STEPS)}"))

    async def _completion(self, post_id: str, event: str, step: Step) -> dict[str, Any]:
        address = f"{self._layout.timeline_url}/api/posts/{post_id}/completions"
        while True:
            response = await self._client.get(address)
            if not response.is_success:
                raise StepError(f"{event}: {address} answered {response.status_code} {response.text[:200]}")
            for completion in response.json()["completions"]:
                if completion["event"] == step.event and completion["postEvent"] == event:
                    return dict(completion)
            await asyncio.sleep(POLL_S)

    async def _in_time(self, step: str, work: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._step_timeout_s):
                return await work
        except TimeoutError as error:
            raise StepError(f"{step}: did not happen within {self._step_timeout_s:g} s") from error
        except (httpx.HTTPError, ssl.SSLError, IPCError) as error:
            raise StepError(f"{step}: {error}") from error


def run(screen: PrefixedOutput, *, log_file: Path) -> int:
    """Start the system, go through the demonstration, and stop the system; the services' lines go to ``log_file``.

    Raises:
        PreparationError: the system cannot be started here.

    """
    check_writable(log_file.parent)
    # The observer lives in this process; its lines would stand between the steps.
    logging.getLogger("ipc").setLevel(logging.WARNING)
    with log_file.open("w+", encoding="utf-8") as lines:
        system = System(screen=screen, logs=PrefixedOutput(lines, colour=False))
        status = system.run(lambda layout: Demo(layout, screen.write).run())
        if status != 0:
            lines.seek(0)
            screen.write(f"\nThe last lines of the services; all of them are in {log_file}:")
            for line in deque(lines, maxlen=LAST_LINES):
                screen.write(line.rstrip("\n"))
    return status
