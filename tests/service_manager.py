"""What systemd does with the units of a document, as far as a test needs it."""

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from exprsn.supervision.leash import leashed

STOP_TIMEOUT_S = 30.0


class ServiceManager:
    """Starts and stops the services whose unit files are in a directory.

    Args:
        units: where the unit files are.
        programs: the command lines of services that have none there, by their names.
        environment: what services have beside their EnvironmentFile; it is not the caller's.
        logs: the directory where their output goes.

    """

    def __init__(
        self, units: Path, programs: Mapping[str, Sequence[str]], environment: Mapping[str, str], logs: Path
    ) -> None:
        self._units = units
        self._programs = programs
        self._environment = environment
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def systemctl(self, *arguments: str) -> None:
        """Do what a command line says."""
        verb, *names = [word for word in arguments if not word.startswith("--")]
        assert verb in {"start", "stop", "restart", "enable", "daemon-reload"}, verb
        for name in names:
            if verb in {"stop", "restart"}:
                self._stop(name)
            if verb != "stop":
                self._start(name)

    def close(self) -> None:
        """Stop all, the last one first; a service that has ended by itself would have been started again."""
        for name in reversed(self._running):
            self._end(self._running[name])

    def output(self, prefix: str = "") -> str:
        """Return what the services have said whose names begin so."""
        return "".join(log.read_text(errors="replace") for log in sorted(self._logs.glob(f"{prefix}*.log")))

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def _start(self, name: str) -> None:
        command, environment, cwd = self._unit(name)
        with self._log(name).open("ab") as output:
            self._running[name] = subprocess.Popen(
                leashed(command),
                cwd=cwd,
                env={**self._environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def _stop(self, name: str) -> None:
        process = self._running.pop(name, None)
        if process is not None:
            assert process.poll() is None, f"{name} has ended by itself:\n{self.output(name)}"
            self._end(process)

    @staticmethod
    def _end(process: "subprocess.Popen[bytes]") -> None:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def _unit(self, name: str) -> tuple[list[str], dict[str, str], str | None]:
        if name in self._programs:
            return list(self._programs[name]), {}, None
        template, _, instance = name.partition("@")
        text = (self._units / f"{template}{'@' if instance else ''}.service").read_text()
        lines = text.replace("\\\n", " ").replace("%i", instance).splitlines()
        said = [line.partition("=")[::2] for line in lines if "=" in line]
        files = [value for key, value in said if key == "EnvironmentFile"]
        environment = {key: value for file in files for key, value in _variables(Path(file))}
        values = dict(said)
        return shlex.split(values["ExecStart"]), environment, values["WorkingDirectory"]


def _variables(file: Path) -> list[tuple[str, str]]:
    lines = file.read_text().splitlines()
    return [(key, "".join(shlex.split(value))) for key, _, value in (line.partition("=") for line in lines) if value]
