"""A server that is started without ``manage.py`` on settings that are wrong: one sentence, and no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from exprsn.refusing import said_in_one_sentence
from tests.ports import free_port
from tests.servers import ROOT

KEY = "a key of these tests 0123456789 abcdef"
BYPASSED = (
    "ipc.E001: DEV_BYPASS must be off outside development."
    " Set DEV_BYPASS=false, or EXPRSN_ENV=development on a development machine."
)


@pytest.mark.processes
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"IPC_MAX_FRAME": "abc"}, "IPC_MAX_FRAME is a whole number of 0 or more, not 'abc'"),
        ({"EXPRSN_ENV": "production", "DEV_BYPASS": "true"}, BYPASSED),
    ],
    ids=["no value", "unsafe"],
)
def test_uvicorn_ends_with_the_sentence_alone(variables: dict[str, str], said: str, tmp_path: Path) -> None:
    own = {"EXPRSN_ENV": "development", "DEV_BYPASS": "false", "IPC_BYPASS_AUTH": "false", "VAR_DIR": str(tmp_path)}
    keys = {"SECRET_KEY": KEY, "IPC_BROKER_KEY": KEY, "REDIS_URL": ""}
    ended = subprocess.run(
        [sys.executable, "-m", "uvicorn", "exprsn.asgi:application", "--port", str(free_port())],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "exprsn.settings", **own, **keys, **variables},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", f"exprsn.asgi: {said}\n")


def test_what_is_no_setting_keeps_its_traceback() -> None:
    with pytest.raises(RuntimeError), said_in_one_sentence():
        raise RuntimeError
