"""docs/howto/migrate-a-node-service.md from its first program to its last, with the real socket.io-client."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from exprsn.catalogue import PORTS
from ipc.protocol.ids import new_ulid
from ipc.protocol.permissions import USUAL
from ipc.protocol.tokens import Claims, TokenKeys
from tests.bridge.tokens import NEW_KEY, managed, signed
from tests.markdown import ROOT, codes, table
from tests.migration.guide import PAGE, Guide
from tests.servers import ServerProcess
from timeline.events import POST_EVENTS
from timeline.listeners import COMPLETIONS

FAULTS = table(PAGE, "fault", "`watch` says", "what to do")
SERVICES = table(PAGE, "", "service", "port", "emits", "hears", "serves", "calls")
FAULTS_TIMEOUT_S = 60.0
OTHER_KEY = "the key of the old bridge 0123456789 0123"
# Who trusts no CA needs a process of its own.
UNTRUSTED = [row["fault"] for row in FAULTS[:2]]
REST = [row["fault"] for row in FAULTS[2:]]


@pytest.fixture
def guide(tmp_path: Path, packages: Path, development: ServerProcess, production: ServerProcess) -> Iterator[Guide]:
    if shutil.which("curl") is None:
        pytest.skip("curl is missing")
    reader = Guide(tmp_path, packages, development, production)
    yield reader
    reader.close()


@pytest.mark.processes
def test_every_block_of_the_page_does_what_it_says(guide: Guide) -> None:
    """A service goes unchanged to a development bridge, then with a token to another one, and learns to do more."""
    for block in guide.blocks:
        guide.follow(block)
    assert guide.saved - guide.ran == {"watch.mjs", "token.mjs"}, "a program is never run"
    assert "Error" not in guide.output()


@pytest.fixture
async def tokens(production: ServerProcess) -> dict[str, str]:
    """Tokens, by what is wrong with them."""
    redis_url = production.environment["REDIS_URL"]

    async def mint(service: str, *permissions: str) -> tuple[str, str]:
        made = await managed(
            redis_url,
            lambda manager: manager.mint(service, permissions=permissions or USUAL, by="test", ttl_s=600),
            is_development=False,
        )
        return made.token, made.claims.id

    now_s = time.time()
    claims = Claims(id=new_ulid(), source="exprsn-herald", iat=now_s - 60, exp=now_s + 60, permissions=USUAL)
    (revoked, revoked_id) = await mint("herald")
    await managed(redis_url, lambda manager: manager.revoke(revoked_id, by="test"), is_development=False)
    return {
        "good": (await mint("herald"))[0],
        "revoked": revoked,
        "narrow": (await mint("herald", "subscribe:post:*", "emit:notification:*"))[0],
        "other": (await mint("spark"))[0],
        "svr": (await mint("svr"))[0],
        "expired": TokenKeys.of(NEW_KEY).sign(msgspec.structs.replace(claims, exp=now_s - 30)),
        "foreign": TokenKeys.of(OTHER_KEY).sign(claims),
        "development": signed("herald", *USUAL),
    }


@pytest.mark.processes
def test_each_fault_of_the_table_is_said_as_the_table_has_it(
    guide: Guide, packages: Path, development: ServerProcess, production: ServerProcess, tokens: dict[str, str]
) -> None:
    (watch,) = [block.text for block in guide.blocks if block.text.startswith("// watch.mjs\n")]
    guide.save(watch)
    script = guide.save("// faults.mjs\n" + (packages / "faults.mjs").read_text())
    environment = {
        "PATH": os.environ["PATH"],
        "DEVELOPMENT": development.url,
        "PRODUCTION": production.url,
        "CERTS": str(development.ca_file.parent),
        "TOKENS": json.dumps(tokens),
    }
    trusting = {**environment, "NODE_EXTRA_CA_CERTS": str(development.ca_file)}
    found = made(script, environment, UNTRUSTED) | made(script, trusting, REST)
    assert list(found) == [row["fault"] for row in FAULTS]
    for row in FAULTS:
        expected = codes(row["`watch` says"])
        said = found[row["fault"]]
        assert len(said) == len(expected), (row["fault"], said)
        for line, text in zip(said, expected, strict=True):
            assert re.fullmatch(".+".join(map(re.escape, text.split("…"))), line), f"{row['fault']}: {line}"


def made(script: Path, environment: dict[str, str], faults: Sequence[str]) -> dict[str, list[str]]:
    """Make faults, and return what was said of each."""
    done = subprocess.run(
        ["node", str(script), *faults],
        env=environment, capture_output=True, text=True, timeout=FAULTS_TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said: dict[str, list[str]] = json.loads(done.stdout)
    return said


def test_the_checklist_has_each_service_of_the_catalogue_in_the_order_of_migration() -> None:
    assert {codes(row["service"])[0]: int(row["port"]) for row in SERVICES} == PORTS
    assert len(SERVICES) == len(PORTS)
    assert [row[""] for row in SERVICES] == sorted(row[""] for row in SERVICES)


def test_what_the_checklist_says_of_events_is_what_the_services_here_do() -> None:
    """Timeline's events are those of its code, and the samples emit and hear what their services are said to."""
    rows = {codes(row["service"])[0]: row for row in SERVICES}
    assert codes(rows["timeline"]["emits"]) == list(POST_EVENTS)
    assert codes(rows["timeline"]["hears"]) == ["user:updated", *COMPLETIONS]
    for name in ("herald", "moderator", "prefetch", "spark"):
        source = (ROOT / "samples" / f"{name}.py").read_text(encoding="utf-8")
        assert codes(rows[name]["emits"]) == re.findall(r'declare_event\("([^"]+)"', source)
        heard = re.findall(r"@ipc\.on\(([^)]*)\)", source)
        assert codes(rows[name]["hears"]) == [event for each in heard for event in re.findall(r'"(\w+:\w+)"', each)]
