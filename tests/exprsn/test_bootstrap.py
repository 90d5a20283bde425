"""Setting up with nothing but Python: once, again, and when it cannot work."""

import fcntl
import importlib.metadata
import os
import shutil
import signal
import stat
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from exprsn import bootstrap
from exprsn.bootstrap import Setup, SetupError

ROOT = Path(bootstrap.__file__).parents[1]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A project whose requirements need no network: none, or what does not exist."""
    (tmp_path / ".env.example").write_text("EXPRSN_ENV=development\n")
    (tmp_path / "requirements.txt").write_text("# nothing\n")
    (tmp_path / "requirements-dev.txt").write_text("-r requirements.txt\n")
    return tmp_path


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with nothing but pip, which takes seconds to make, to be copied."""
    folder = tmp_path_factory.mktemp("bare") / ".venv"
    venv.create(folder, with_pip=True)
    return folder


@pytest.fixture
def prepared(checkout: Path, bare: Path) -> Path:
    """The same with an environment in which nothing was installed yet."""
    shutil.copytree(bare, checkout / ".venv", symlinks=True)
    return checkout


def test_everything_is_made_once_and_a_repeat_touches_nothing(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Setup(checkout, bootstrap.DEVELOPMENT).run()
    assert "making .venv" in capsys.readouterr().out
    subprocess.run([checkout / ".venv/bin/python", "-c", ""], check=True)
    assert stat.S_IMODE((checkout / ".env").stat().st_mode) == 0o600
    (checkout / ".env").write_text("MINE=1\n")
    Setup(checkout, bootstrap.DEVELOPMENT).run()
    Setup(checkout, bootstrap.RUN).run()
    assert capsys.readouterr().out == ""
    assert (checkout / ".env").read_text() == "MINE=1\n"


@pytest.mark.parametrize(
    ("text", "is_told"),
    [("BRIDGE_PORT=1\n", True), ("# EXPRSN_ENV=development\n", True), ("export EXPRSN_ENV = production\n", False)],
)
def test_a_dotenv_that_sets_no_environment_is_spoken_of_before_anything_is_installed(
    checkout: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, text: str, is_told: bool
) -> None:
    monkeypatch.delenv("EXPRSN_ENV", raising=False)
    (checkout / ".env").write_text(text)
    setup = Setup(checkout, bootstrap.RUN)
    setup._check_env()
    assert ("setup     | .env does not set EXPRSN_ENV" in capsys.readouterr().out) is is_told
    monkeypatch.setenv("EXPRSN_ENV", "development")
    setup._check_env()
    Setup(checkout, bootstrap.DEVELOPMENT)._check_env()
    assert capsys.readouterr().out == ""


PIP = (
    "Collecting a",
    "  Downloading a.whl",
    "Processing /b.whl",
    "Collecting c",
    "Installing collected packages: a, b, c",
)


def test_where_somebody_watches_packages_are_counted_on_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last of three is more than were foreseen."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    progress = bootstrap.Progress(2)
    for line in PIP:
        progress.hear(line)
    progress.end()
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    shown = ["1 of about 2 packages", "2 of about 2 packages", "3 of about 3 packages", "3 packages are put into place"]
    assert said.replace("\x1b[K", "").rstrip("\n").split("\rsetup     |   ")[1:] == shown


def test_where_nobody_watches_there_is_a_line_when_all_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    progress = bootstrap.Progress(2)
    for line in PIP:
        progress.hear(line)
    progress.end()
    assert capsys.readouterr().out == "setup     |   3 packages are put into place\n"


def test_as_many_packages_are_foreseen_as_there_are() -> None:
    """A tenth more or less; here all that development needs is installed."""
    there, foreseen = len(list(importlib.metadata.distributions())), bootstrap.ABOUT["requirements-dev.txt"]
    assert 0.9 * there < foreseen < 1.1 * there


def test_ctrl_c_in_the_middle_is_one_line(checkout: Path) -> None:
    """While pip is at work: a stand-in for it says so, and waits."""
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\n[ "$3" = --version ] && exit\necho "Installing collected"\nexec sleep 600\n')
    python.chmod(0o755)
    program = (
        "import sys; from pathlib import Path; from exprsn import bootstrap;"
        " bootstrap.ROOT = Path(sys.argv[1]); sys.exit(bootstrap.main([]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(checkout)],
        cwd=ROOT,
        env=os.environ | {"EXPRSN_ENV": "development"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert any("put into place" in line for line in process.stdout)
            # As a terminal does it: all of the group.
            os.killpg(process.pid, signal.SIGINT)
            _, said = process.communicate(timeout=60)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert (process.returncode, said) == (130, "\nsetup     | stopped; run make again to go on\n")


def test_changed_requirements_are_installed_into_the_same_environment(
    prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        Setup(prepared, bootstrap.RUN).run()
        said = capsys.readouterr().out
        assert "installing requirements.txt" in said
        assert "making .venv" not in said
        (prepared / "requirements.txt").write_text("# still nothing\n")


def test_an_environment_left_half_made_is_made_anew(checkout: Path) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to("/no/such/python")
    Setup(checkout, bootstrap.RUN).run()
    subprocess.run([checkout / ".venv/bin/python", "-m", "pip", "--version"], check=True, capture_output=True)


def test_a_failing_install_is_one_sentence_with_the_reason_and_the_log(prepared: Path) -> None:
    (prepared / "requirements.txt").write_text("./no-such-package\n")
    with pytest.raises(SetupError) as failed:
        Setup(prepared, bootstrap.RUN).run()
    said = str(failed.value)
    assert said.startswith("installing requirements.txt failed: ")
    assert "no-such-package" in said
    assert said.endswith(f"the whole log is {prepared}/var/log/pip.log")
    assert "\n" not in said
    assert not (prepared / ".venv" / ".installed-requirements.txt").exists()


def test_a_directory_that_cannot_be_written_is_one_sentence(checkout: Path) -> None:
    (checkout / "var").write_text("a file where a directory should be")
    with pytest.raises(SetupError, match=r"var.* cannot be written: \w"):
        Setup(checkout, bootstrap.RUN).run()


def test_a_second_setup_waits_for_the_first(prepared: Path) -> None:
    """Its first line says so, and it goes on once the lock is free."""
    installed = prepared / ".venv" / ".installed-requirements.txt"
    (prepared / "var").mkdir()
    program = (
        "import sys; from pathlib import Path; from exprsn.bootstrap import *; Setup(Path(sys.argv[1]), RUN).run()"
    )
    with (prepared / "var" / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = subprocess.Popen(
            [sys.executable, "-c", program, prepared], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ
        )
        assert waiting.stdout is not None
        assert "another make is setting up" in waiting.stdout.readline()
        assert not installed.exists()
    with waiting:
        assert waiting.wait(60) == 0
    assert installed.exists()


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (
            "  error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory\n"
            "  ERROR: Failed building wheel for hiredis\nERROR: Could not build wheels for hiredis\n",
            "hiredis has no ready-made wheel for this machine and there is no C compiler to build it: install one (on"
            " Debian: apt install build-essential python3-dev) and run make again",
        ),
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(...)'\n"
            "ERROR: No matching distribution found for Django==5.2.19\n",
            "the package index cannot be reached: look at the network, and at PIP_INDEX_URL if you use a mirror",
        ),
        ("ERROR: one\nERROR: No matching distribution found for x==1\n", "No matching distribution found for x==1"),
        ("something else\n", "something else"),
        ("", "it said nothing"),
    ],
)
def test_why_pip_failed_is_said_in_one_sentence(log: str, reason: str) -> None:
    assert bootstrap.reason(log) == reason


def test_a_machine_without_python_3_11_is_told_so_by_make(tmp_path: Path) -> None:
    """With an older Python first and only in the path, as on an old distribution."""
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit\nexit 1\n')
    old.chmod(0o755)
    make = next(each for each in ("/usr/bin/make", "/bin/make", "/usr/local/bin/make") if Path(each).exists())
    for name in ("sh", "test", "awk"):
        (tmp_path / name).symlink_to(f"/bin/{name}" if Path(f"/bin/{name}").exists() else f"/usr/bin/{name}")
    refused = subprocess.run(
        [make, "setup"], cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert refused.returncode != 0
    assert "make needs Python 3.11 or newer, and here is Python 3.9.2: install it" in refused.stderr
