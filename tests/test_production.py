"""docs/howto/production.md from its first command to its last, with real services, on free ports and in a folder."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from certs.pair import certificates_to_pem, key_to_pem
from tests.certs import companies
from tests.markdown import ROOT, Fence, fences
from tests.ports import free_port
from tests.secured_redis import find_server
from tests.service_manager import ServiceManager

PAGE = ROOT / "docs" / "howto" / "production.md"
TIMEOUT_S = 180.0
EXPECTED = re.compile(r"^# exits with (\d+)$", re.MULTILINE)
NAMED = re.compile(r"# (/\S+)\n")


class Handbook:
    """The page, with the folder, the ports and the names of the test in it, and what its reader does."""

    def __init__(self, folder: Path, redis_server: str) -> None:
        self._folder = folder
        self._ports = {port: str(free_port()) for port in ("3010", "3011", "6380")}
        self._state = folder / "shell"
        self._state.touch()
        self.blocks = [Fence(fence.language, self.text(fence.text)) for fence in fences(PAGE)]
        # None of the variables that the tests run with, and none that .env would bring along on a development machine.
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "DEBUG": "",
            "DEV_BYPASS": "",
            "IPC_BYPASS_AUTH": "",
            "PYTHONUNBUFFERED": "1",
        }
        (folder / "log").mkdir()
        redis = [redis_server, str(folder / "etc/redis/redis.conf")]
        self.services = ServiceManager(
            folder / "etc/systemd/system", {"redis-server": redis}, self._environment, folder / "log"
        )

    def text(self, text: str) -> str:
        """Return a block with what is the test's own."""
        text = re.sub(r"(?<![\w.])/(etc|var/lib|media)/", rf"{self._folder}/\1/", text)
        text = text.replace("/opt/exprsn", str(ROOT))
        text = re.sub(r"postgres://\S+", f"sqlite:///{self._folder}/db.sqlite3", text)
        text = re.sub(r"\b(?:bridge|redis)\.example\.org\b", "localhost", text)
        text = text.replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - what the page says
        return re.sub(r"\b(3010|3011|6380)\b", lambda found: self._ports[found[1]], text)

    def write(self, text: str) -> Path:
        """Write a file whose path is in its first line."""
        named = NAMED.match(text)
        assert named is not None, text
        path = Path(named[1])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, text: str) -> str:
        """Run a block in a shell that knows what the blocks before have exported, and return what it prints."""
        if text.startswith("systemctl "):
            for line in text.splitlines():
                self.services.systemctl(*line.split()[1:])
            return ""
        expected = EXPECTED.search(text)
        script = f'. "{self._state}"\ntrap \'export -p > "{self._state}"\' EXIT\nset -euo pipefail\n{text}'
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=ROOT, env=self._environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        assert done.returncode == (int(expected[1]) if expected else 0), f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def handbook(tmp_path: Path) -> Iterator[Handbook]:
    redis_server = find_server()
    if redis_server is None or shutil.which("curl") is None or shutil.which("openssl") is None:
        pytest.skip("redis-server, curl or openssl is missing; the Valkey of the wheel has no TLS")
    for directory in ("etc/redis", "var/lib/redis", "media/ca"):
        (tmp_path / directory).mkdir(parents=True)
    authority = companies.company()
    assert authority.key is not None
    (tmp_path / "media/ca/company-ca.pem").write_bytes(certificates_to_pem(authority.certificates))
    (tmp_path / "media/ca/company-ca-key.pem").write_bytes(key_to_pem(authority.key))
    book = Handbook(tmp_path, redis_server)
    yield book
    book.services.close()


@pytest.mark.processes
def test_every_block_of_the_page_does_what_it_says(handbook: Handbook) -> None:
    """Tokens of the old key hold during the overlap and not after it, those that are revoked do not hold."""
    printed: list[str] = []
    for block in handbook.blocks:
        if block.language != "sh":
            printed.append(handbook.write(block.text).name)
        elif "ipcservices" in block.text:
            printed.append(attached(handbook, block.text))
        else:
            printed.append(handbook.run(block.text))
    said = "".join(printed)
    assert said.count('"status": "healthy"') == 3
    assert "✓ All critical tests passed!" in said
    refused = [text for block, text in zip(handbook.blocks, printed, strict=True) if EXPECTED.search(block.text)]
    assert [re.findall(r'"error":"(\w+)"', text) for text in refused] == [["TOKEN_INVALID"], ["TOKEN_REVOKED"]]
    assert "a-long-redis-password" not in handbook.services.output()
    assert "Traceback" not in handbook.services.output("exprsn-bridge") + handbook.services.output("exprsn-daphne")


def attached(handbook: Handbook, block: str) -> str:
    """Look until herald is there, as a reader would."""
    give_up_at = time.monotonic() + TIMEOUT_S
    while "exprsn-herald:" not in (found := handbook.run(block)):
        assert time.monotonic() < give_up_at, handbook.services.output()
    return found
