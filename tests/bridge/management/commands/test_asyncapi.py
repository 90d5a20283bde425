"""`manage.py asyncapi` on a real Valkey: what it writes, and its one-sentence refusals."""

import asyncio
import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from ipc.protocol.declarations import Declaration, DeclaredEvent
from ipc.stores.connection import connect
from ipc.stores.declarations import Declarations


async def prepare(url: str) -> None:
    client = connect(url)
    declared = DeclaredEvent(
        service="exprsn-vault",
        declaration=Declaration(event="backup:finished", schema={"type": "object"}),
        declared_ms=1,
    )
    try:
        await Declarations(client).put([declared])
    finally:
        await client.aclose()


@pytest.fixture
def mesh(redis_url: str, settings: Settings) -> str:
    settings.REDIS_URL = redis_url
    asyncio.run(prepare(redis_url))
    return redis_url


def test_the_document_is_written(mesh: str, tmp_path: Path) -> None:
    """To a file or to standard output, and twice the same."""
    output, file = StringIO(), tmp_path / "mesh.json"
    call_command("asyncapi", stdout=output)
    call_command("asyncapi", output=file)
    assert file.read_text(encoding="utf-8") == output.getvalue()
    found = json.loads(output.getvalue())
    assert list(found["operations"]) == ["vault.send.backup.finished"]
    assert found["servers"]["bridge"]["host"].startswith("localhost:")


def test_the_bridge_may_be_elsewhere(mesh: str) -> None:
    output = StringIO()
    call_command("asyncapi", bridge="ipc.example.org", stdout=output)
    assert json.loads(output.getvalue())["servers"]["bridge"]["host"] == "ipc.example.org"


def test_what_is_wrong_is_one_sentence(mesh: str, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written: Is a directory"):
        call_command("asyncapi", output=tmp_path)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with pytest.raises(CommandError, match="out of reach"):
        call_command("asyncapi")
    settings.REDIS_URL = ""
    with pytest.raises(CommandError, match="REDIS_URL is not set"):
        call_command("asyncapi")
