"""The demonstration of a system in which something is wrong; supervision/test_system.py shows it go well."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from exprsn.demo import Demo
from exprsn.supervision.programs import SAMPLES, Layout
from tests.exprsn.conftest import ROOT
from tests.exprsn.running import children, running

pytestmark = pytest.mark.processes


def layout_of(system: Mapping[str, str]) -> Layout:
    return Layout(
        root=ROOT,
        certs_dir=Path(system["CERTS_DIR"]),
        bridge_port=int(system["BRIDGE_PORT"]),
        timeline_port=int(system["TIMELINE_PORT"]),
        timeline_redirect_port=int(system["TIMELINE_REDIRECT_PORT"]),
        redis_url="",
    )


async def test_a_step_that_does_not_happen_in_time_is_named_and_fails_the_demonstration(
    own_system: Mapping[str, str],
) -> None:
    """Prefetch is frozen: what the others did is still shown, then the one step that is missing."""
    said: list[str] = []
    with running(own_system) as process:
        frozen = dict(zip(SAMPLES, children(process.pid)[-len(SAMPLES) :], strict=True))["prefetch"]
        os.kill(frozen, signal.SIGSTOP)
        status = await Demo(layout_of(own_system), said.append, step_timeout_s=3.0).run()
    assert status == 1
    assert any("moderator handled it and approved" in line for line in said)
    assert said[-1] == "\n  FAILED  post:created: prefetch cached it (cache:updated): did not happen within 3 s"


async def test_a_system_that_is_not_there_is_named_too(own_system: Mapping[str, str], certificates: Path) -> None:
    said: list[str] = []
    assert await Demo(layout_of(own_system), said.append, step_timeout_s=0.2).run() == 1
    assert said == ["\n  FAILED  an observer attaches to the bridge: did not happen within 0.2 s"]
