"""One running program: its lines, its end, and the signals that reach it."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from exprsn.supervision.leash import leashed
from exprsn.supervision.output import Output

MAX_LINE: Final = 16_384
LAST_WORDS_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run, with which environment, and how to see that it is ready.

    ``inherit`` are descriptors that stay open in it; lines that have ``hides`` in them are not shown.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    is_ready: Callable[[], Awaitable[bool]]
    inherit: tuple[int, ...] = ()
    hides: bytes = b""


class Child:
    """A program that was started, in a session of its own so that Ctrl-C in the terminal does not reach it."""

    def __init__(self, program: Program, process: asyncio.subprocess.Process, pipe: int, output: Output) -> None:
        self.program = program
        self._process = process
        self._output = output
        self._lines = asyncio.create_task(self._pass_lines_on(pipe), name=f"lines of {program.name}")
        self.ended = asyncio.create_task(self._wait(), name=f"end of {program.name}")

    @classmethod
    async def start(cls, program: Program, output: Output) -> "Child":
        """Start a program; call it in the main thread, which holds the leash.

        Raises:
            OSError: the system cannot start another process.

        """
        # A pipe of our own: asyncio would wait for the end of its pipe before it tells of the end of the process, and
        # whatever the program has started may keep that open.
        read, write = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *leashed(program.command),
                env=dict(program.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write,
                stderr=write,
                start_new_session=True,
                pass_fds=program.inherit,
            )
        except BaseException:
            os.close(read)
            raise
        finally:
            os.close(write)
        return cls(program, process, read, output)

    @property
    def pid(self) -> int:
        """The id of the process, which is its process group's too."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.returncode is None

    def terminate(self) -> None:
        """Ask the program to end (SIGTERM)."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """End the program and whatever it started, at once (SIGKILL)."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    async def _wait(self) -> int:
        status = await self._process.wait()
        await asyncio.wait([self._lines], timeout=LAST_WORDS_S)
        self._lines.cancel()
        await asyncio.wait([self._lines])
        return status

    async def _pass_lines_on(self, pipe: int) -> None:
        stream = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(pipe, "rb", buffering=0)
        )
        try:
            await self._read_lines(stream)
        finally:
            transport.close()

    async def _read_lines(self, stream: asyncio.StreamReader) -> None:
        rest = b""
        while received := await stream.read(65_536):
            *lines, rest = (rest + received).split(b"\n")
            for line in lines:
                self._write(line)
            while len(rest) > MAX_LINE:
                self._write(rest[:MAX_LINE])
                rest = rest[MAX_LINE:]
        if rest:
            self._write(rest)

    def _write(self, line: bytes) -> None:
        if self.program.hides and self.program.hides in line:
            return
        text = line.rstrip(b"\r")
        for start in range(0, max(1, len(text)), MAX_LINE):
            self._output.line(self.program.name, text[start : start + MAX_LINE].decode(errors="replace"))


def in_words(status: int) -> str:
    """Say how a process ended, from its return code."""
    if status >= 0:
        return f"exit code {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"
