"""A live stream of events on a terminal or into a pipe, over lost connections, until somebody has seen enough."""

import asyncio
import logging
import os
import shutil
import signal
import time
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any, Final, TextIO

import msgspec

from bridge.cli.asking import ask
from bridge.cli.layout import Layout, json_line, printable
from bridge.cli.target import BridgeTarget, add_target_arguments, try_again
from bridge.cli.values import json_value
from ipc.dispatch import EventContext
from ipc.protocol.errors import IPCError
from ipc.protocol.messages import Welcome
from ipc.protocol.moments import moment_ms
from ipc.protocol.positions import check_position
from ipc.protocol.routing import logs_of_service
from ipc.transports.websocket import WebSocketTransport
from ipc.worker import IPCWorker

CONNECT_TIMEOUT_S: Final = 10.0
STOP_TIMEOUT_S: Final = 1.0


def add_tail_arguments(parser: ArgumentParser) -> None:
    """Declare what to show, and how."""
    parser.add_argument("--pattern", action="append", help="such as 'post:*'; may be given several times (everything)")
    parser.add_argument("--where", help="a JSONLex condition that events have to meet, or @file")
    parser.add_argument("--select", help="a JSONLex expression that is shown in place of the data, or @file")
    parser.add_argument("--since", help="begin in the past: a position, 10m ago, or 2026-11-23T14:30:00Z")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, with everything, such as for jq")
    parser.add_argument("--full", action="store_true", help="do not cut data to the width of the terminal")
    add_target_arguments(parser)


def tail(options: Mapping[str, Any], output: TextIO, notes: TextIO) -> None:
    """Write events to `output` and what happens to the connection to `notes`, until SIGINT or SIGTERM.

    Raises:
        CommandError: the bridge cannot be reached at first, or has refused something for good.

    """
    target = BridgeTarget.of(options)
    # What the library logs is said in the notes, where somebody has to know.
    library = logging.getLogger("ipc")
    level = library.level
    library.setLevel(logging.CRITICAL)
    try:
        asyncio.run(_Tail(target, options, output, notes).run())
    finally:
        library.setLevel(level)


class _Tail:
    def __init__(self, target: BridgeTarget, options: Mapping[str, Any], output: TextIO, notes: TextIO) -> None:
        self._target = target
        self._options = options
        self._output = output
        self._notes = notes
        self._layout = _layout(options, output)
        self._done = asyncio.Event()
        self._sessions = 0
        self._worker = self._new_worker()

    async def run(self) -> None:
        since = await asyncio.to_thread(_positions_since, self._target, self._options["since"])
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupted)
        transport = WebSocketTransport(
            self._target.socket_url,
            self._target.service,
            ca_file=self._target.ca_file,
            certs_dir=self._target.certs_dir,
            tokens=self._target.tokens,
        )
        await self._worker.start(transport, since=since)
        done = asyncio.create_task(self._done.wait())
        try:
            await self._connected(done)
            await done
        finally:
            done.cancel()
            await self._worker.stop(timeout_s=STOP_TIMEOUT_S)

    def _new_worker(self) -> IPCWorker:
        worker = IPCWorker(self._target.service)
        given = {name: self._options[name] for name in ("where", "select") if self._options[name] is not None}
        terms = {name: _decoded(text, name) for name, text in given.items()}
        worker.on(*(self._options["pattern"] or ["*"]), **terms)(self._show)
        worker.hook("ready")(self._ready)
        worker.hook("error")(self._failed)
        return worker

    async def _connected(self, done: "asyncio.Task[bool]") -> None:
        """Wait for the first connection, not long: nobody wants to look at nothing without a word."""
        ready = asyncio.create_task(self._worker.ready())
        try:
            await asyncio.wait([ready, done], timeout=CONNECT_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
            if ready.done():
                ready.result()
            elif not done.done():
                raise try_again(f"{self._target.address} cannot be reached")
        finally:
            ready.cancel()

    async def _show(self, data: Any, context: EventContext) -> None:
        lines = [json_line(data, context)] if self._options["json"] else self._layout.lines(data, context)
        # A terminal may be stopped, and a pipe may be full.
        await asyncio.to_thread(self._write, "\n".join(lines) + "\n")

    def _write(self, text: str) -> None:
        try:
            self._output.write(text)
            self._output.flush()
        except BrokenPipeError:
            _silence(self._output)
            self._done.set()

    def _ready(self, _welcome: Welcome) -> None:
        self._sessions += 1
        if self._sessions > 1:
            self._note("connected again, and going on from where it was")

    def _failed(self, error: IPCError) -> None:
        self._note(error.message)

    def _note(self, text: str) -> None:
        self._notes.write(f"-- {printable(text)}\n")
        self._notes.flush()

    def _interrupted(self) -> None:
        if self._done.is_set():
            # The second time: something holds the first one up, such as a terminal that is stopped.
            os._exit(130)
        self._done.set()


def _layout(options: Mapping[str, Any], output: TextIO) -> Layout:
    is_terminal = output.isatty()
    columns = 0 if options["full"] or not is_terminal else shutil.get_terminal_size().columns
    has_colours = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Layout(columns=columns, has_colours=has_colours)


def _decoded(text: str, name: str) -> Any:
    raw = json_value(text, name=name)
    return None if raw is None else msgspec.json.decode(raw)


def _positions_since(target: BridgeTarget, since: str | None) -> dict[str, str] | None:
    """Return from where to read; the bridge knows which position is at a moment."""
    if since is None:
        return None
    if "-" in since and since.replace("-", "").isdigit() and since.count("-") == 1:
        return dict.fromkeys(logs_of_service(target.service), check_position(since))
    moment_ms(since, now_ms=time.time_ns() // 1_000_000)
    return dict(ask(target, "GET", "positions", timeout_s=CONNECT_TIMEOUT_S, params={"since": since})["positions"])


def _silence(output: TextIO) -> None:
    """Write to nowhere from now on: who read this is gone, as `head` when it has its lines."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
