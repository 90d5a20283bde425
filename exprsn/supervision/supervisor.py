"""Programs in stages: started in order, watched while they run, stopped in the opposite order within a deadline."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from exprsn.supervision.child import Child, Program, in_words
from exprsn.supervision.output import Output

POLL_S: Final = 0.1


class SupervisionError(Exception):
    """A program did not become ready, or ended by itself; the message is one sentence."""


class Supervisor:
    """Runs programs and leaves none behind; nothing is ever restarted silently.

    Args:
        output: where the programs' lines go.
        stop_within_s: how long `stop` may take for all programs together before it kills.

    """

    def __init__(self, output: Output, *, stop_within_s: float = 8.0) -> None:
        self._output = output
        self._stop_within_s = stop_within_s
        self._stages: list[list[Child]] = []
        self._hurry = asyncio.Event()

    async def start(self, *programs: Program) -> None:
        """Start the programs of one stage together.

        Raises:
            SupervisionError: one cannot be started.

        """
        stage: list[Child] = []
        self._stages.append(stage)
        for program in programs:
            try:
                stage.append(await Child.start(program, self._output))
            except OSError as error:
                raise SupervisionError(f"{program.name} could not be started: {error}") from error

    async def until_ready(self, *, within_s: float = 60.0) -> None:
        """Wait until all programs that were started are ready.

        Raises:
            SupervisionError: one was not ready in time, or ended.

        """
        give_up_at = time.monotonic() + within_s
        waiting = [child.program for child in self._children()]
        while waiting := [program for program in waiting if not await program.is_ready()]:
            self._raise_if_one_ended()
            if time.monotonic() > give_up_at:
                names = " and ".join(program.name for program in waiting)
                raise SupervisionError(f"{names} did not become ready within {within_s:g} s: see the lines above")
            await asyncio.sleep(POLL_S)

    async def watch(self) -> None:
        """Wait as long as everything runs.

        Raises:
            SupervisionError: a program ended by itself.

        """
        await asyncio.wait([child.ended for child in self._children()], return_when=asyncio.FIRST_COMPLETED)
        self._raise_if_one_ended()

    async def stop(self) -> None:
        """Stop the last stage first; each gets its share of the time that is left, and is killed after that."""
        give_up_at = time.monotonic() + self._stop_within_s
        while self._stages:
            share_s = max(0.0, give_up_at - time.monotonic()) / len(self._stages)
            await self._stop_stage(self._stages[-1], share_s)
            self._stages.pop()

    def hurry(self) -> None:
        """Make `stop` kill what still runs instead of waiting for it."""
        self._hurry.set()

    async def _stop_stage(self, stage: Sequence[Child], within_s: float) -> None:
        running = [child for child in stage if child.is_running]
        for child in running:
            child.terminate()
        await self._all_ended(running, within_s)
        for child in running:
            if child.is_running:
                self._output.line(child.program.name, f"does not stop, so it is killed (pid {child.pid})")
        for child in stage:
            # Also where the program itself has ended: what it started is in its process group.
            child.kill()
        await asyncio.gather(*(child.ended for child in stage))

    async def _all_ended(self, children: Sequence[Child], within_s: float) -> None:
        if not children:
            return
        hurry = asyncio.create_task(self._hurry.wait(), name="hurry")
        ended = asyncio.create_task(asyncio.wait([child.ended for child in children]), name="all ended")
        try:
            await asyncio.wait({ended, hurry}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hurry.cancel()
            ended.cancel()
            await asyncio.gather(hurry, ended, return_exceptions=True)

    def _children(self) -> list[Child]:
        return [child for stage in self._stages for child in stage]

    def _raise_if_one_ended(self) -> None:
        for child in self._children():
            if child.ended.done():
                how = in_words(child.ended.result())
                raise SupervisionError(f"{child.program.name} ended by itself with {how}: everything else is stopped")
