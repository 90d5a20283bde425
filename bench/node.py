"""Peers on Node.js: servers that are driven from here, and scripts that drive themselves, load after load."""

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self, cast

from bench.npm import program
from bench.servers import STOP_TIMEOUT_S, Server, ServerError, Tls, free_port, last_line, start
from bench.workloads import Load, Measured, Workload, percentile_ms
from exprsn.supervision.leash import leashed

ANSWER_TIMEOUT_S: Final = 30.0
MAX_LINE_BYTES: Final = 16 * 1024 * 1024


async def start_script(
    name: str, script: Path, *, env: Mapping[str, str], folder: Path, tls: Tls | None = None
) -> Server:
    """Start a peer's server, which listens on PORT.

    Raises:
        ServerError: it does not start.

    """
    port = free_port()
    certificate = {"TLS_CERT": str(tls.cert), "TLS_KEY": str(tls.key)} if tls else {}
    command = [program("node"), str(script)]
    return await start(name, command, port=port, folder=folder, env={**env, "PORT": str(port), **certificate})


class NodeScript:
    """A running script of the peers that does its workload by itself.

    Args:
        script: its path.
        log: where its errors go.

    """

    def __init__(self, script: Path, log: Path) -> None:
        self._script = script
        self._log = log

    async def start(self, setup: Mapping[str, Any]) -> None:
        """Start it, tell it the setup, and wait until it is ready.

        Raises:
            ServerError: it does not start.

        """
        with self._log.open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                *leashed([program("node"), str(self._script)]),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=MAX_LINE_BYTES,
                # Ctrl-C in a terminal reaches the benchmark alone, which then stops its servers in order.
                start_new_session=True,
            )
        self._stdin = cast("asyncio.StreamWriter", self.process.stdin)
        self._stdout = cast("asyncio.StreamReader", self.process.stdout)
        try:
            await self._ask(setup, ANSWER_TIMEOUT_S)
        except BaseException as error:
            await self.stop()
            if isinstance(error, OSError):
                raise ServerError(str(error) or f"{self._script.name} did not get ready in time") from error
            raise

    async def stop(self) -> None:
        """Let the script end, as it does at the end of its input, and end it if it does not within five seconds."""
        self._stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()

    async def run(self, load: Load) -> Measured:
        """Have the script do one load.

        Raises:
            OSError: it ended, or did not answer in time.

        """
        wanted = {
            "events": load.events,
            "seconds": load.seconds,
            "window": load.window,
            "sampleEvery": load.sample_every,
        }
        answer = await self._ask(wanted, load.seconds + ANSWER_TIMEOUT_S)
        sent, handled, latencies_us = answer["sent"], sum(answer["handled"]), answer["latencies"]
        return Measured(
            sent=sent,
            deliveries=handled,
            lost=max(0, sent - handled) + answer["left"],
            repeated=max(0, handled - sent),
            seconds=answer["seconds"],
            p50_ms=percentile_ms(latencies_us, 0.5),
            p99_ms=percentile_ms(latencies_us, 0.99),
        )

    async def _ask(self, what: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        self._stdin.write(json.dumps(what).encode() + b"\n")
        line = await asyncio.wait_for(self._stdout.readline(), timeout_s)
        if not line:
            await asyncio.wait_for(self.process.wait(), STOP_TIMEOUT_S)
            raise ConnectionResetError(f"{self._script.name} ended: {failure_of(self._log)}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def failure_of(log: Path) -> str:
    """Return the line of a log in which Node.js says what went wrong, which is not its last; at most 200 characters."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    return next((line[:200] for line in lines if re.match(r"\w*Error\b", line)), last_line(log))


class NodeBench:
    """The workload of a script that runs; use as an async context manager, as others are."""

    def __init__(self, script: NodeScript) -> None:
        self._script = script

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave the script as it is: compiled, for the next round."""

    async def run(
        self,
        workload: Workload,  # noqa: ARG002 - a script has but one
        load: Load,
    ) -> Measured:
        """Have the script do one load.

        Raises:
            OSError: it ended, or did not answer in time.

        """
        return await self._script.run(load)
