"""docs/howto/migrate-a-node-service.md, with the addresses and folders of the tests in it, and what its reader does."""

import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from exprsn.supervision.leash import leashed
from tests.markdown import ROOT, Fence, fences
from tests.servers import ServerProcess

PAGE = ROOT / "docs" / "howto" / "migrate-a-node-service.md"
TIMEOUT_S = 30.0
POLL_S = 0.02
FILE = re.compile(r"// (\S+\.mjs)\n")
NODE = re.compile(r"\bnode (\S+\.mjs)")
EXPORT = re.compile(r"^export (\w+)=([^$\s]+)$", re.MULTILINE)


@dataclass
class Running:
    """What was started and goes on: where its output is, and how much of that was there when it was last looked at."""

    process: "subprocess.Popen[bytes]"
    log: Path
    seen: int = 0

    def new_output(self) -> str:
        return self.log.read_text(errors="replace")[self.seen :]


class Guide:
    """The page and its reader.

    Args:
        folder: is empty.
        packages: what npm has installed.
        development: the bridge on the reader's machine, and the old one of the page.
        production: the bridge that wants tokens.

    """

    def __init__(self, folder: Path, packages: Path, development: ServerProcess, production: ServerProcess) -> None:
        self._folder = folder
        self._development, self._production = development, production
        self._certs_dir = development.ca_file.parent
        self._exported: dict[str, str] = {}
        self._running: list[Running] = []
        self._printed = ""
        self.saved: set[str] = set()
        self.ran: set[str] = set()
        (folder / "etc/exprsn/herald").mkdir(parents=True)
        (folder / "node_modules").symlink_to(packages / "node_modules")
        self.blocks = [Fence(fence.language, self.text(fence.text)) for fence in fences(PAGE)]

    def text(self, text: str) -> str:
        """Return a block with what is the tests' own."""
        replaced = {
            "https://localhost:3010": self._development.url,
            "https://old-bridge.example.org:3010": self._development.url,
            "https://bridge.example.org:3010": self._production.url,
            '"$(cat var/secrets/redis_url)"': self._development.environment["REDIS_URL"],
            "/opt/exprsn/var/certs": str(self._certs_dir),
            "var/certs/ca-cert.pem": str(self._certs_dir / "ca-cert.pem"),
            "/media/ca/company-ca.pem": str(self._certs_dir / "ca-cert.pem"),
            "/media/ca/company-ca-key.pem": str(self._certs_dir / "ca-key.pem"),
            "/etc/exprsn": str(self._folder / "etc/exprsn"),
        }
        for theirs, ours in replaced.items():
            text = text.replace(theirs, ours)
        return text

    def follow(self, block: Fence) -> None:
        """Do what a block wants, or see what it says is to be seen."""
        if block.language == "js":
            self.save(block.text)
        elif block.language == "sh":
            self._mark()
            if NODE.search(block.text) or "ipc tail" in block.text:
                self._start(block.text)
            else:
                self._printed = self._run(block.text)
        else:
            self._await(block.text)

    def save(self, program: str) -> Path:
        """Save a program under the name that its first line says."""
        named = FILE.match(program)
        assert named is not None, program
        self.saved.add(named[1])
        path = self._folder / named[1]
        path.write_text(program)
        return path

    def close(self) -> None:
        """Stop what still runs."""
        for running in self._running:
            running.process.send_signal(signal.SIGTERM)
        for running in self._running:
            running.process.wait(TIMEOUT_S)

    def output(self) -> str:
        """Return all that was printed by what went on."""
        return "\n".join(running.log.read_text(errors="replace") for running in self._running)

    def _environment(self, text: str) -> dict[str, str]:
        if NODE.search(text):
            return {"PATH": os.environ["PATH"], **self._exported}
        is_production = self._production.url in text or str(self._folder) in text or "brokertoken" in text
        return (self._production if is_production else self._development).environment

    def _run(self, text: str) -> str:
        done = subprocess.run(
            ["bash", "-c", f"set -euo pipefail\n{text}"],
            cwd=ROOT, env=self._environment(text), capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _start(self, text: str) -> None:
        environment = self._environment(text)
        found = NODE.search(text)
        if found is not None:
            self.ran.add(found[1])
            self._exported |= dict(EXPORT.findall(text))
            # Tokens are made by the project of the bridge.
            environment = {**self._production.environment, **self._exported}
            text = NODE.sub(rf"exec node {self._folder}/\1", text)
        log = self._folder / f"{len(self._running)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                leashed(["bash", "-c", f"set -euo pipefail\n{text}"]),
                cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._running.append(Running(process, log))

    def _mark(self) -> None:
        self._printed = ""
        for running in self._running:
            running.seen = len(running.log.read_text(errors="replace"))

    def _await(self, expected: str) -> None:
        """Wait until each line of a block has been printed since the last command was given."""
        give_up_at = time.monotonic() + TIMEOUT_S
        lines = [" ".join(line.split()) for line in expected.splitlines()]
        while missing := [line for line in lines if line not in self._new_output()]:
            assert time.monotonic() < give_up_at, f"nobody has said {missing}, but:\n{self._new_output()}"
            time.sleep(POLL_S)

    def _new_output(self) -> str:
        text = "\n".join([self._printed, *(running.new_output() for running in self._running)])
        return "\n".join(" ".join(line.split()) for line in text.splitlines())
