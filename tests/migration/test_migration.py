"""docs/howto/migrate-a-node-service.md from its first program to its last, with the real socket.io-client."""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exprsn.catalogue import PORTS
from ipc.protocol.ids import new_ulid
from ipc.protocol.permissions import USUAL
from ipc.protocol.tokens import Claims, TokenKeys
from samples import herald, moderator, prefetch, spark
from tests.bridge.tokens import NEW_KEY, managed, minted, signed
from tests.markdown import codes, table
from tests.migration.guide import PAGE, Guide
from tests.servers import ServerProcess
from timeline.events import POST_EVENTS
from timeline.listeners import COMPLETIONS

FAULTS = table(PAGE, "fault", "`watch` says", "what to do")
SERVICES = table(PAGE, "", "service", "port", "emits", "hears", "serves", "calls")
FAULTS_TIMEOUT_S = 60.0
# They are about trust, and so need a process that trusts nobody.
UNTRUSTED = FAULTS[:2]


@pytest.fixture
def guide(
    tmp_path: Path, packages: Path, development: ServerProcess, production: ServerProcess
) -> Iterator[Guide]:
    reader = Guide(tmp_path, packages, development, production)
    yield reader
    reader.close()


@pytest.mark.processes
def test_every_block_of_the_page_does_what_it_says(guide: Guide) -> None:
    """A service goes unchanged to a development bridge, then with a token to another one, and learns to do more."""
    for block in guide.blocks:
        guide.follow(block)
    saved = {path.name for path in PAGE.parent.parent.parent.glob("nothing")}
    assert saved == set()
