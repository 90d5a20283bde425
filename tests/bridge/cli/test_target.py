"""Who a command is at a bridge that lets nobody in without a token."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exprsn.embedded import EmbeddedValkey
from tests import servers
from tests.bridge.cli.conftest import Tail, ipc
from tests.bridge.tokens import LOCKED, minted
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def locked(
    bridge_valkey: EmbeddedValkey, certs_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A bridge that asks for tokens."""
    with servers.bridge("daphne", bridge_valkey.url, certs_dir, tmp_path_factory.mktemp("locked"), **LOCKED) as server:
        yield server


def test_the_token_of_the_environment_says_who_emits_calls_and_watches(
    locked: ServerProcess, bridge_valkey: EmbeddedValkey, tail: Callable[..., Tail], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPC_TOKEN", asyncio.run(minted(bridge_valkey.url, "vault")).token)
    emitted = ipc(locked, "emit", "cli:locked", "1", "--target", "vault")
    assert (emitted.returncode, emitted.stderr) == (0, "")
    event = tail(locked, "--json", "--since", "1m", "--pattern", "cli:locked").event()
    assert (event["source"], event["data"]) == ("exprsn-vault", 1)
    called = ipc(locked, "call", "nobody", "read", "--meta", "{}")
    assert (called.returncode, "NO_OWNER" in called.stderr) == (75, True)


@pytest.mark.parametrize(
    ("token", "arguments", "words"),
    [
        ("no.token", [], "IPC_TOKEN has no broker token"),
        (None, ["--service", "spark"], "FORBIDDEN"),
    ],
)
def test_a_token_is_of_one_service_and_is_not_printed(
    locked: ServerProcess,
    bridge_valkey: EmbeddedValkey,
    monkeypatch: pytest.MonkeyPatch,
    token: str | None,
    arguments: list[str],
    words: str,
) -> None:
    given = asyncio.run(minted(bridge_valkey.url, "vault")).token if token is None else token
    monkeypatch.setenv("IPC_TOKEN", given)
    refused = ipc(locked, "emit", "cli:locked", json.dumps(1), *arguments)
    assert (refused.returncode, words in refused.stderr) == (1, True), refused.stderr
    assert given not in refused.stderr
