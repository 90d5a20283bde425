"""Two bridges on one Valkey, a worker process on each, and everything that can be done to them."""

import asyncio
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import redis.asyncio as redis

from exprsn.embedded import EmbeddedValkey
from exprsn.supervision.leash import leashed
from ipc.protocol.routing import logs_of_service
from ipc.stores import keys
from tests import servers
from tests.clients import attached
from tests.faults.conftest import kill_and_restart
from tests.faults.durable_worker import CREDIT, GROUPS, RETRY, SERVICE
from tests.servers import ROOT, ServerProcess

POLL_S = 0.05
Handled = dict[str, Counter[str]]


class WorkerProcess:
    """A member of the groups through one bridge; its file survives it."""

    def __init__(self, bridge: ServerProcess, folder: Path) -> None:
        folder.mkdir()
        self.handled_file = folder / "handled"
        self.handled_file.touch()
        self._log = folder / "worker.log"
        self._environment = {
            **os.environ,
            "BRIDGE_URL": bridge.ws_url,
            "IPC_CA_FILE": str(bridge.ca_file),
            "HANDLED_FILE": str(self.handled_file),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start it, from the main thread."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                leashed([sys.executable, "-m", "tests.faults.durable_worker"]),
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def output(self) -> str:
        """Return what it has said."""
        return self._log.read_text(errors="replace")


class System:
    """All of it, running; the second bridge is never touched, so its memory can be compared."""

    def __init__(self, valkey: EmbeddedValkey, certs_dir: Path, folder: Path, chance: random.Random, freeze_s: float):
        self.valkey = valkey
        self.bridges = [servers.bridge(kind, valkey.url, certs_dir, folder / kind) for kind in servers.KINDS[:2]]
        self.workers = [
            WorkerProcess(bridge, folder / f"worker-{number}") for number, bridge in enumerate(self.bridges)
        ]
        self.faults: dict[str, Callable[[], Awaitable[None]]] = {
            "the bridge is killed and started again": self.restart_bridge,
            "one of two bridges stays away for a while": self.lose_bridge,
            "Valkey is restarted": self.restart_valkey,
            "Valkey is killed": self.kill_valkey,
            "Valkey is frozen": self.freeze_valkey,
            "connections to Redis are cut": self.cut_connections,
            "a worker is killed": self.kill_worker,
            "a client stops reading": self.stop_reading,
        }
        self._chance = chance
        self._freeze_s = freeze_s

    async def __aenter__(self) -> Self:
        for bridge in self.bridges:
            bridge.launch()
        for bridge in self.bridges:
            await asyncio.to_thread(bridge.wait)
        for worker in self.workers:
            worker.launch()
        # A group begins where its first member joins it.
        await self.becomes(self.groups_exist, "the groups exist")
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.kill()
        for bridge in self.bridges:
            bridge.__exit__()

    # What can be seen

    @property
    def survivor(self) -> ServerProcess:
        """The bridge that is never killed."""
        return self.bridges[1]

    def handled(self) -> Handled:
        """Return how often each group has handled each event."""
        found: Handled = {group: Counter() for group in GROUPS}
        for worker in self.workers:
            # A killed worker cannot leave half a line: each is one write.
            for line in worker.handled_file.read_text().splitlines():
                group, event_id = line.split()
                found[group][event_id] += 1
        return found

    async def becomes(self, is_so: Callable[[], Awaitable[bool]], what: str, *, timeout_s: float = 90.0) -> None:
        """Wait until something is so."""
        give_up_at = time.monotonic() + timeout_s
        while not await is_so():
            assert time.monotonic() < give_up_at, f"never: {what}\n{self.complaints()}"
            await asyncio.sleep(POLL_S)

    async def all_handled(self, ids: set[str]) -> None:
        """Wait until both groups have handled all of these events."""

        async def is_handled() -> bool:
            return all(ids <= counts.keys() for counts in self.handled().values())

        try:
            await self.becomes(is_handled, "all is handled")
        except AssertionError as error:
            missing = {group: sorted(ids - counts.keys())[:20] for group, counts in self.handled().items()}
            raise AssertionError(f"accepted, and not handled: {missing}\n{error}") from None

    async def groups_exist(self) -> bool:
        """Tell whether all groups are there."""
        async with redis.Redis.from_url(self.valkey.url) as client:
            log = keys.log(SERVICE)
            found = await client.xinfo_groups(log) if await client.exists(log) else []
        return {f"{SERVICE}/{group}".encode() for group in GROUPS} <= {info["name"] for info in found}

    async def pending(self) -> dict[str, int]:
        """Return how many events each group still has to see acknowledged, over all its logs."""
        found = dict.fromkeys(GROUPS, 0)
        async with redis.Redis.from_url(self.valkey.url) as client:
            for log in logs_of_service(SERVICE):
                for info in await client.xinfo_groups(keys.log(log)):
                    group = info["name"].decode().removeprefix(f"{SERVICE}/")
                    if group in found:
                        found[group] += info["pending"] + (info["lag"] or 0)
        return found

    async def dead(self) -> int:
        """Return how many dead letters there are."""
        async with redis.Redis.from_url(self.valkey.url) as client:
            return sum([await client.xlen(key) async for key in client.scan_iter("ipc:dead:*", _type="stream")])

    def memory_bytes(self) -> int:
        """Return the resident memory of the surviving bridge."""
        status = Path(f"/proc/{self.survivor.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) * 1024

    def complaints(self) -> str:
        """Return what the servers and workers have said last."""
        outputs = [*(bridge.output() for bridge in self.bridges), *(worker.output() for worker in self.workers)]
        return "\n---\n".join("\n".join(output.splitlines()[-15:]) for output in outputs)

    # What can go wrong

    async def restart_bridge(self) -> None:
        """kill -9, and back at once."""
        self.bridges[0].kill()
        self.bridges[0].launch()
        await asyncio.to_thread(self.bridges[0].wait)

    async def lose_bridge(self) -> None:
        """kill -9, and back only when the other bridge has handled what was in the first one's hands."""
        self.bridges[0].kill()
        handled = sum(len(counts) for counts in self.handled().values())

        async def goes_on() -> bool:
            return sum(len(counts) for counts in self.handled().values()) > handled + 2 * CREDIT * len(GROUPS)

        await self.becomes(goes_on, "the other bridge goes on alone")
        self.bridges[0].launch()
        await asyncio.to_thread(self.bridges[0].wait)

    async def restart_valkey(self) -> None:
        """Stop it in order, and start it on its append-only file."""
        self.valkey.stop()
        self.valkey.start()

    async def kill_valkey(self) -> None:
        """kill -9, and start it on its append-only file as it was left."""
        await kill_and_restart(self.valkey)

    async def freeze_valkey(self) -> None:
        """Stop its process with all connections open (SIGSTOP), and let it go on."""
        self.valkey.pause()
        try:
            await asyncio.sleep(self._freeze_s)
        finally:
            self.valkey.resume()

    async def cut_connections(self) -> None:
        """Have Valkey close every connection there is."""
        async with redis.Redis.from_url(self.valkey.url) as client:
            for kind in ("normal", "pubsub"):
                await client.client_kill_filter(_type=kind, skipme=True)

    async def kill_worker(self) -> None:
        """kill -9 with events in its handlers, and start another in its place."""
        worker = self._chance.choice(self.workers)
        worker.kill()
        worker.launch()

    async def stop_reading(self) -> None:
        """Join a group, take its credit's worth of events and say nothing more, until the time for them is over."""
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(attached(self.survivor, "herald", max_queue=1))
            group = {"group": GROUPS[0], "credit": CREDIT, "retry": RETRY}
            # Redis may have been away a moment ago: what may be tried again is, as a worker does.
            while (joined := await client.ask(type="subscribe", events=["durable:*"], **group))["type"] == "error":
                assert joined["retryable"], joined
                await asyncio.sleep(POLL_S)
            delivery = await client.event()
            handled = self.handled()[GROUPS[0]]

            async def is_handled_elsewhere() -> bool:
                return self.handled()[GROUPS[0]][delivery["id"]] > handled[delivery["id"]]

            await self.becomes(is_handled_elsewhere, "what a stuck member was given is handled by another")
