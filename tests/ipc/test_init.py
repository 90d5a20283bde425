"""The library's front door: what it offers, and what it does not drag in."""

import subprocess
import sys
from pathlib import Path

import ipc

ROOT = Path(__file__).parents[2]

# Imports the library with sockets that cannot be opened, and prints what came along.
IMPORT = """
import socket, sys

def no_network(*_, **__):
    raise SystemExit("importing ipc opened a socket")

socket.socket.connect = socket.create_connection = no_network
import ipc
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_it_offers_what_it_says_and_nothing_else() -> None:
    """Everything without an underscore that is no submodule is in ``__all__``, and the other way round."""
    submodules = {path.stem for path in (ROOT / "ipc").iterdir() if path.suffix in {".py", ""}}
    offered = {name for name in vars(ipc) if not name.startswith("_") and name not in submodules}
    assert offered == set(ipc.__all__)
    assert sorted(ipc.__all__) == ipc.__all__


def test_importing_it_needs_neither_django_nor_the_network() -> None:
    command = [sys.executable, "-c", IMPORT]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    imported = set(ran.stdout.split())
    assert "ipc" in imported
    assert imported.isdisjoint({"django", "channels", "channels_redis", "rest_framework", "daphne", "twisted", "redis"})
