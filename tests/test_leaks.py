"""The plugin that looks for secrets in logs finds them, in this process and in files, and fails the run for them."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.leaks import Watch
from tests.servers import ROOT

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJpZCI6IjAxTTgifQ.c2lnbmF0dXJl"
SIGNATURE = "fdQyQXzB2dY3ZqkCtF0Z2bq9m6cY8sBq1o0m3x7k2Wk"
KEY = "a key that nobody knows 0123456789"
BEGIN = """
import logging, pytest, subprocess, sys
from django.conf import settings
from django.contrib.auth.models import User
from ipc.protocol.tokens import Claims, TokenKeys
logger = logging.getLogger("somebody.careless")

@pytest.fixture
def token():
    return TokenKeys.of("a key of this very test 0123456789").sign(Claims(id="1", source="x", iat=1, exp=2))
"""
LEAKS = """
def test_a_token_in_a_message(token):
    logger.warning("refused %s", token)

def test_a_token_in_an_exception(token):
    try:
        raise ValueError(token)
    except ValueError:
        logger.exception("no")

def test_a_signature_alone(token):
    logger.warning(token.rpartition(".")[2])

def test_the_key_of_django():
    logger.error("with %r", settings.SECRET_KEY)

def test_the_key_of_tokens():
    logger.error("with %r", settings.IPC_BROKER_KEY)

def test_a_password_of_an_operator():
    User().set_password("horse battery 1")
    logger.error("horse battery 1")

def test_the_key_of_a_session(monkeypatch):
    from django.contrib.sessions.backends.base import SessionBase
    monkeypatch.setattr(SessionBase, "exists", lambda *_: False)
    logger.error("with %r", SessionBase()._get_new_session_key())

def test_the_token_of_the_metrics(tmp_path):
    with (tmp_path / "metrics.log").open("w") as log:
        command = [sys.executable, "-c", "import os; print(os.environ['IPC_METRICS_TOKEN'])"]
        subprocess.run(command, env={"IPC_METRICS_TOKEN": "s3cret-of-metrics"}, stdout=log, check=True)

def test_a_password_of_redis_in_the_log_of_a_process(tmp_path):
    with (tmp_path / "redis.log").open("w") as log:
        command = [sys.executable, "-c", "import os; print(os.environ['REDIS_URL'])"]
        environment = {"REDIS_URL": "redis://:s3cret-of-redis@127.0.0.1/0"}
        subprocess.run(command, env=environment, stdout=log, check=True)

def test_a_secret_of_a_file_in_var(tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "broker_key").write_text("made-by-itself-0123")
    (tmp_path / "file.log").write_text("it is made-by-itself-0123")
"""
FOUND = [
    ("file", "a key or a password"),
    ("in-process", "a key or a password"),
    ("in-process", "a key or a password"),
    ("in-process", "a key or a password"),
    ("in-process", "a key or a password"),
    ("in-process", "a token"),
    ("in-process", "a token"),
    ("in-process", "the signature of a token"),
    ("in-process", "the signature of a token"),
    ("in-process", "the signature of a token"),
    ("metrics", "a key or a password"),
    ("redis", "a key or a password"),
]
CLEAN = """
def test_nothing():
    logger.warning("a key has 32 bytes; eyJ is how a token begins; minted %s", 1)
"""


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory elsewhere: the run that this is a part of shall not fail for what is written there."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


def run(directory: Path, code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a module of one test with the plugin."""
    body = (
        code if "def test_" in code else "def test_logs():\n" + "\n".join(f"    {line}" for line in code.splitlines())
    )
    (directory / "test_careless.py").write_text(BEGIN + body)
    plugins = ["-p", "tests.leaks", "-p", "no:cacheprovider", "-p", "no:schemathesis"]
    plugins += ["--rootdir", str(directory), "-c", os.devnull]
    command = [sys.executable, "-m", "pytest", *plugins, "--ds=tests.settings", f"--basetemp={directory / 'tmp'}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*command, str(directory / "test_careless.py"), *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["one process", "two processes"])
def test_a_run_that_logs_secrets_fails_and_says_where(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """The tests themselves pass."""
    ran = run(tmp_path, LEAKS, *arguments)
    assert (ran.returncode, "10 passed" in ran.stdout) == (1, True), ran.stdout + ran.stderr
    found = re.findall(r"^E +/\S+/(\S+)\.log:\d+: (.*)$", ran.stdout, re.MULTILINE)
    assert sorted(found) == FOUND


def test_a_run_that_logs_none_passes(tmp_path: Path) -> None:
    ran = run(tmp_path, CLEAN)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_what_is_found_is_not_said_again(tmp_path: Path) -> None:
    watch = Watch()
    watch.environment({"IPC_BROKER_KEY": f"another key of nobody 0123456789, {KEY}"})
    watch.token(f"x.y.{SIGNATURE}")
    (tmp_path / "a.log").write_text(f"fine\n{KEY}\n{TOKEN}\nsig {SIGNATURE}\n")
    found = watch.leaks(tmp_path)
    assert [leak.partition(".log:")[2] for leak in found] == [
        "2: a key or a password",
        "3: a token",
        "4: the signature of a token",
    ]


@pytest.mark.parametrize("word", ["", "secret", "password", "x", None])
def test_words_that_anybody_may_say_are_no_secrets(tmp_path: Path, word: str | None) -> None:
    watch = Watch()
    watch.secret(word)
    (tmp_path / "a.log").write_text("Redis refused the password, which is secret: x\n")
    assert watch.leaks(tmp_path) == []
