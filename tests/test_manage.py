"""`manage.py` as a program: what a user does wrong is one line, without a traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BARE = {"DJANGO_SETTINGS_MODULE": "exprsn.settings", "EXPRSN_ENV": "development", "SECRET_KEY": "s" * 50}


def manage(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "manage.py", *arguments]
    environment = os.environ | BARE | variables
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"BRIDGE_PORT": "99999"}, "BRIDGE_PORT is a port, 1 to 65535, not 99999"),
        ({"BRIDGE_PORT": "abc"}, "BRIDGE_PORT is a whole number of 0 or more, not 'abc'"),
        (
            {"DATABASE_URL": "postgres://u:pass#word@h:5432/x"},
            "DATABASE_URL is no address of a database: write postgres://user:password@host:5432/name, or"
            " sqlite:///path, and special characters of the password percent-encoded",
        ),
        (
            {"EXPRSN_ENV": "production", "SECRET_KEY": ""},
            "set SECRET_KEY: outside development there is no default secret. On a development machine set"
            " EXPRSN_ENV=development: is .env a copy of .env.example?",
        ),
        (
            {"EXPRSN_ENV": "production", "SECRET_KEY": "abc"},
            "SECRET_KEY has at least 32 characters outside development, this one has 3: set it to what"
            ' `python -c "import secrets; print(secrets.token_urlsafe(48))"` prints',
        ),
        ({"EXPRSN_ENV": "prod", "SECRET_KEY": ""}, "EXPRSN_ENV is development or production, not 'prod'"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL is DEBUG, INFO, WARNING, ERROR or CRITICAL, not 'LOUD'"),
        (
            {"EXPRSN_SERVICE": "herald"},
            "EXPRSN_SERVICE is bridge or timeline, not 'herald': this project runs no other service; a worker names its"
            " own, as in IPCWorker('herald')",
        ),
    ],
)
def test_a_setting_that_is_wrong_is_one_line(variables: dict[str, str], said: str) -> None:
    ended = manage("up", **variables)
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", f"manage.py: {said}\n")


def test_a_development_machine_may_have_a_short_secret() -> None:
    ended = manage("help", SECRET_KEY="abc")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_whoever_wants_the_traceback_asks_for_it() -> None:
    assert "Traceback" in manage("up", "--traceback", BRIDGE_PORT="abc").stderr


def test_without_the_environment_it_says_how_to_get_and_use_it() -> None:
    """With the Python of the machine, and nothing of what is installed for others on it."""
    python = Path(sys.base_prefix) / "bin" / "python3"
    ended = subprocess.run(
        [python, "-S", "manage.py", "up"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == 1
    assert ended.stderr.endswith(" has no django: run `make run` once, then use .venv/bin/python manage.py\n")
    assert ended.stderr.count("\n") == 1


def test_ctrl_c_while_it_loads_is_one_line(tmp_path: Path) -> None:
    """A module of the test's own stands in for Django, and says when it is being loaded."""
    (tmp_path / "django").mkdir()
    (tmp_path / "django" / "__init__.py").write_text("import time; print('loading', flush=True); time.sleep(600)")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "manage.py", "up"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "loading\n"
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=120)
        finally:
            process.kill()
    assert (process.returncode, said) == (130, "stopped; run it again to go on\n")
