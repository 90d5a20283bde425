"""The supervisor with real programs: order, deaths, deadlines, and nothing left behind."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from exprsn.supervision.child import Program
from exprsn.supervision.supervisor import SupervisionError, Supervisor
from tests.exprsn.supervision.processes import Lines, assert_ends, python, script


async def test_stages_stop_in_the_opposite_order(tmp_path: Path) -> None:
    lines = Lines()
    supervisor = Supervisor(lines)
    for name in ("first", "second", "third"):
        await supervisor.start(script(name, tmp_path))
        await supervisor.until_ready()
    await supervisor.stop()
    assert [name for name, text in lines.lines if text == "stopping"] == ["third", "second", "first"]


async def test_a_program_that_ends_by_itself_is_named_with_its_exit_code(tmp_path: Path) -> None:
    lines = Lines()
    supervisor = Supervisor(lines)
    await supervisor.start(script("steady", tmp_path))
    await supervisor.until_ready()
    await supervisor.start(script("mortal", tmp_path, "dies"))
    with pytest.raises(
        SupervisionError, match=r"^mortal ended by itself with exit code 7: everything else is stopped$"
    ):
        await supervisor.watch()
    await supervisor.stop()
    assert lines.of("steady") == ["started", "stopping"]


async def test_a_program_that_is_killed_is_named_with_its_signal(tmp_path: Path) -> None:
    supervisor = Supervisor(Lines())
    await supervisor.start(python("victim", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    with pytest.raises(SupervisionError, match="victim ended by itself with signal SIGKILL"):
        await supervisor.watch()
    await supervisor.stop()


async def test_a_program_that_ends_before_it_is_ready_is_noticed_at_once() -> None:
    async def never() -> bool:
        return False

    supervisor = Supervisor(Lines())
    broken = python("broken", "raise SystemExit(2)")
    await supervisor.start(
        Program(name="broken", command=broken.command, environment=broken.environment, is_ready=never)
    )
    with pytest.raises(SupervisionError, match="broken ended by itself with exit code 2"):
        await supervisor.until_ready(within_s=600)
    await supervisor.stop()


async def test_a_program_that_is_never_ready_is_named(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    slow = script("slow", tmp_path)
    supervisor = Supervisor(Lines())
    await supervisor.start(Program(name="slow", command=slow.command, environment=slow.environment, is_ready=never))
    with pytest.raises(SupervisionError, match="slow did not become ready within 0 s"):
        await supervisor.until_ready(within_s=0)
    await supervisor.stop()


async def test_a_program_that_does_not_stop_is_killed_and_the_others_still_get_their_turn(tmp_path: Path) -> None:
    lines = Lines()
    supervisor = Supervisor(lines, stop_within_s=1.0)
    await supervisor.start(script("polite", tmp_path))
    await supervisor.start(script("stubborn", tmp_path, "stubborn"))
    await supervisor.until_ready()
    await supervisor.stop()
    assert lines.of("stubborn")[-1].startswith("does not stop, so it is killed (pid ")
    assert lines.of("polite") == ["started", "stopping"]


async def test_hurrying_kills_without_waiting(tmp_path: Path) -> None:
    lines = Lines()
    supervisor = Supervisor(lines, stop_within_s=600)
    await supervisor.start(script("stubborn", tmp_path, "stubborn"))
    await supervisor.until_ready()
    stopping = asyncio.create_task(supervisor.stop())
    supervisor.hurry()
    await asyncio.wait_for(stopping, 20)
    assert lines.of("stubborn")[-1].startswith("does not stop")


async def test_stopping_twice_is_stopping_once(tmp_path: Path) -> None:
    lines = Lines()
    supervisor = Supervisor(lines)
    await supervisor.start(script("only", tmp_path))
    await supervisor.until_ready()
    await supervisor.stop()
    await supervisor.stop()
    assert lines.of("only") == ["started", "stopping"]


async def test_a_program_that_is_frozen_is_ended_all_the_same(tmp_path: Path) -> None:
    """SIGSTOP keeps SIGTERM waiting; SIGKILL does not wait."""
    lines = Lines()
    supervisor = Supervisor(lines, stop_within_s=0.2)
    await supervisor.start(python("frozen", "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"))
    (frozen,) = supervisor._children()
    await asyncio.to_thread(os.waitid, os.P_PID, frozen.pid, os.WSTOPPED | os.WNOWAIT)
    await supervisor.stop()
    assert not frozen.is_running


def test_kill_9_of_the_supervisor_leaves_nothing_behind(tmp_path: Path) -> None:
    program = f"""
import asyncio, pathlib, sys
sys.path.insert(0, {str(Path.cwd())!r})
from exprsn.supervision.supervisor import Supervisor
from exprsn.supervision.output import standard_output
from tests.exprsn.supervision.processes import script
async def main():
    supervisor = Supervisor(standard_output())
    for name in ("one", "two"):
        await supervisor.start(script(name, pathlib.Path({str(tmp_path)!r}), "stubborn"))
    await supervisor.until_ready()
    print("pids", *(child.pid for child in supervisor._children()), flush=True)
    await supervisor.watch()
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        said = next(line for line in supervisor.stdout if line.startswith("pids"))
        supervisor.send_signal(signal.SIGKILL)
    for pid in said.split()[1:]:
        assert_ends(int(pid))
