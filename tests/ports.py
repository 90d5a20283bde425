"""Ports for the servers of tests: none that the kernel gives to a client, nor another process of the run to a server.

A port that is asked of the kernel is free at that moment only: until the server has it, any connection may get it.
"""

import os
import socket
from itertools import cycle
from typing import Final

FIRST: Final = 20_000
"""Linux gives clients those from 32768 on (ip_local_port_range)."""
PART: Final = 1_400
PARTS: Final = 9
_WORKER: Final = int(os.environ.get("PYTEST_XDIST_WORKER", "gw8").removeprefix("gw")) % PARTS
# Another run at the same time begins elsewhere in its part.
_ports: Final = cycle(FIRST + PART * _WORKER + (os.getpid() * 37 + number) % PART for number in range(PART))


def free_port() -> int:
    """Return a port of this process that nobody has."""
    for _ in range(PART):
        port = next(_ports)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError(f"all {PART} ports of this process are taken")
