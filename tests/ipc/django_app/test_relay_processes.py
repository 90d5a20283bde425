"""Relays in processes of their own, on one database, one of which is killed."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection, transaction

from ipc.django_app.models import OutboxEvent
from ipc.django_app.outbox import outbox_add
from tests.database import in_thread

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


def database_url() -> str:
    values = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{values['NAME']}"
    return f"postgres://{values['USER']}:{values['PASSWORD']}@{values['HOST']}:{values['PORT']}/{values['NAME']}"


@contextlib.contextmanager
def relay_process(path: Path, *, lease_s: float, seconds_per_send: float) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "DATABASE_URL": database_url()}
    command = [
        sys.executable,
        "-m",
        "tests.ipc.django_app.relay_process",
        str(path),
        str(lease_s),
        str(seconds_per_send),
    ]
    process = subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def lines(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def add(keys: int, count: int) -> None:
    with transaction.atomic():
        for number in range(count):
            for key in range(keys):
                outbox_add(event="post:updated", data=[key, number], key=str(key))


async def test_two_processes_send_everything_once_and_in_order_per_key(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with (
        relay_process(path, lease_s=30, seconds_per_send=0.001),
        relay_process(path, lease_s=30, seconds_per_send=0.001),
    ):
        for _ in range(5):
            await in_thread(add, 10, 4)
        async with asyncio.timeout(60):
            while await in_thread(OutboxEvent.objects.exists):  # noqa: ASYNC110 - nothing to await in another process
                await asyncio.sleep(0.02)
    sent = lines(path)
    assert len({event_id for event_id, _, _ in sent}) == len(sent) == 200
    for key in range(10):
        assert [int(number) for _, found, number in sent if found == str(key)] == [*range(4)] * 5


async def test_a_killed_relay_is_taken_over_when_its_lease_ends(tmp_path: Path) -> None:
    """The row in hand is sent again with the same id, everything else once, and nothing is missing."""
    killed, heir = tmp_path / "killed", tmp_path / "heir"
    await in_thread(add, 1, 3)
    with relay_process(killed, lease_s=3, seconds_per_send=1000) as process:
        async with asyncio.timeout(60):
            while not lines(killed):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)
        process.kill()
        process.wait()
    row = await in_thread(OutboxEvent.objects.earliest, "id")
    assert row.claimed_by != ""
    with relay_process(heir, lease_s=3, seconds_per_send=0):
        async with asyncio.timeout(60):
            while await in_thread(OutboxEvent.objects.exists):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)
    assert [line[0] for line in lines(killed)] == [row.event_id]
    assert lines(heir)[0][0] == row.event_id
    assert [line[2] for line in lines(heir)] == ["0", "1", "2"]
