"""Make the virtual environment; make runs this with the machine's own Python, before anything is installed.

    python3 -I exprsn/bootstrap.py [--dev]

Safe to run twice, and at the same time as another make: a repeat is instant, and only one installs at a time.
"""

# ruff: noqa: S603 - what is run here is this Python, its pip, and nothing that a user typed

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
RUN: Final = ("requirements.txt",)
DEVELOPMENT: Final = ("requirements.txt", "requirements-dev.txt")
INTERRUPTED: Final = 130
ABOUT: Final = {"requirements.txt": 70, "requirements-dev.txt": 140}
"""How many packages pip gets for each file, those included that the named ones need."""
_NO_COMPILER: Final = re.compile(r"command '\S*(gcc|cc|clang)\S*' failed: No such file|unable to find .*compiler", re.I)
_SETS_ENVIRONMENT: Final = re.compile(r"^\s*(?:export\s+)?EXPRSN_ENV\s*=", re.M)
_FAILED_BUILD: Final = re.compile(r"Failed building wheel for (\S+)|Could not build wheels for (\S+?),? ")


class SetupError(Exception):
    """The environment cannot be made; the message says why in one sentence."""


class Setup:
    """The environment of one checkout."""

    def __init__(self, root: Path, requirements: tuple[str, ...]) -> None:
        self._root = root
        self._requirements = requirements
        self._venv = root / ".venv"
        self._python = self._venv / "bin" / "python"
        self._log = root / "var" / "log" / "pip.log"

    def run(self) -> None:
        """Make what is missing.

        Raises:
            SetupError: something cannot be made.

        """
        try:
            # Posts, keys and passwords end up in var/: it is its owner's only.
            self._log.parent.parent.mkdir(exist_ok=True, mode=0o700)
            self._log.parent.mkdir(exist_ok=True)
            with self._alone():
                self._copy_env()
                self._check_env()
                if not self._is_installed():
                    self._make_venv()
                    self._install()
                    for stamp, wanted in self._stamps().items():
                        stamp.write_text(wanted)
        except OSError as error:
            raise SetupError(f"{error.filename or self._root} cannot be written: {error.strerror}") from error

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with (self._root / "var" / "setup.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another make is setting up; waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _copy_env(self) -> None:
        env = self._root / ".env"
        if not env.exists():
            say("copying .env.example to .env: the settings of a development machine")
            draft = env.with_name(f".env.{os.getpid()}.tmp")
            shutil.copyfile(self._root / ".env.example", draft)
            # It is where secrets are put later.
            draft.chmod(0o600)
            draft.replace(env)

    def _check_env(self) -> None:
        """Say at once what would only be seen when all is installed: without it, nothing starts."""
        text = (self._root / ".env").read_text(errors="replace")
        if self._requirements == RUN and not os.environ.get("EXPRSN_ENV") and not _SETS_ENVIRONMENT.search(text):
            say(".env does not set EXPRSN_ENV, so this is no development machine and `make run` will refuse to start:")
            say("  add EXPRSN_ENV=development to it, or delete it and run make again, for a copy of .env.example")

    def _stamps(self) -> dict[Path, str]:
        """Return the files that say what was installed, with what they would say now."""
        return {
            self._venv / f".installed-{name}": hashlib.sha256((self._root / name).read_bytes()).hexdigest()
            for name in self._requirements
        }

    def _is_installed(self) -> bool:
        stamps = self._stamps().items()
        return self._python.exists() and all(stamp.exists() and stamp.read_text() == wanted for stamp, wanted in stamps)

    def _make_venv(self) -> None:
        if self._has_pip():
            return
        if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            raise SetupError(
                f"{sys.executable} has no venv module: install it (on Debian: apt install python{version}-venv) and run"
                " make again"
            )
        say(f"making .venv with Python {sys.version.split()[0]}")
        self._logged([sys.executable, "-m", "venv", "--clear", str(self._venv)], "making .venv")

    def _has_pip(self) -> bool:
        """Tell whether an environment is there that works; one left half-made, or whose Python is gone, does not."""
        try:
            asked = subprocess.run([self._python, "-m", "pip", "--version"], check=False, capture_output=True)
        except OSError:
            return False
        return asked.returncode == 0

    def _install(self) -> None:
        name = self._requirements[-1]
        say(f"installing {name} into .venv; what pip says is in {self._log.relative_to(self._root)}")
        install = [str(self._python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        progress = Progress(ABOUT.get(name, 0))
        self._logged([*install, "--progress-bar", "off", "-r", str(self._root / name)], f"installing {name}", progress)

    def _logged(self, command: list[str], doing: str, progress: "Progress | None" = None) -> None:
        """Run a command with its output in the log."""
        with self._log.open("w+") as log:
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
                for line in process.stdout or ():
                    log.write(line)
                    if progress is not None:
                        progress.hear(line)
            if progress is not None:
                progress.end()
            if process.returncode != 0:
                log.seek(0)
                raise SetupError(f"{doing} failed: {reason(log.read())}; the whole log is {self._log}")


class Progress:
    """What pip is doing, as one line that counts; where nobody watches, as a line for each part of the work.

    Args:
        about: how many packages there will be, more or less.

    """

    def __init__(self, about: int) -> None:
        self._about = about
        self._count = 0
        self._is_watched = sys.stdout.isatty()

    def hear(self, line: str) -> None:
        """Take a line of pip's."""
        # The latter is what pip says of a file that lies on this machine.
        if line.startswith(("Collecting ", "Processing ")):
            self._count += 1
            if self._is_watched:
                self._show(f"{self._count} of about {max(self._about, self._count)} packages")
        elif line.startswith("Installing collected"):
            # Slow too, and without a word from pip.
            self._show(f"{self._count} packages are put into place")
            self.end()

    def end(self) -> None:
        """Leave the line."""
        if self._is_watched and self._count:
            print(flush=True)  # noqa: T201 - a program's own output
            self._count = 0

    def _show(self, text: str) -> None:
        if self._is_watched:
            # Over what is there, to its end (ECMA-48, erase in line).
            print(f"\rsetup     |   {text}\x1b[K", end="", flush=True)  # noqa: T201 - a program's own output
        else:
            say(f"  {text}")


def reason(log: str) -> str:
    """Return why pip failed, in the words of its log or, for what a newcomer meets, in better ones."""
    if _NO_COMPILER.search(log):
        match = _FAILED_BUILD.search(log)
        package = next(filter(None, match.groups()), "a package") if match else "a package"
        return (
            f"{package} has no ready-made wheel for this machine and there is no C compiler to build it: install one"
            " (on Debian: apt install build-essential python3-dev) and run make again"
        )
    if "NewConnectionError" in log or "Temporary failure in name resolution" in log:
        return "the package index cannot be reached: look at the network, and at PIP_INDEX_URL if you use a mirror"
    errors = [line for line in log.splitlines() if line.lower().startswith("error:")]
    return (errors or log.strip().splitlines() or ["it said nothing"])[-1].removeprefix("ERROR: ").strip()


def say(text: str) -> None:
    """Show progress."""
    print(f"setup     | {text}", flush=True)  # noqa: T201 - a program's own output


def main(arguments: list[str]) -> int:
    """Set up, for running or with ``--dev`` for checks and tests too; 1 with one sentence when that is not possible."""
    try:
        Setup(ROOT, DEVELOPMENT if "--dev" in arguments else RUN).run()
    except SetupError as error:
        print(f"setup     | {error}", file=sys.stderr)  # noqa: T201 - a program's own output
        return 1
    except KeyboardInterrupt:
        print("\nsetup     | stopped; run make again to go on", file=sys.stderr)  # noqa: T201 - a program's own output
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
