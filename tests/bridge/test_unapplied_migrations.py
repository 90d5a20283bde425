"""Migrations that a database lacks: where it is said, how often it is looked up, and that applying them ends it."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import AsyncClient
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from bridge import unapplied_migrations, views
from bridge.unapplied_migrations import AGAIN_S, UnappliedMigrations, look_beside
from ipc.django_app.runtime import Runtime
from ipc.testing.clock import ManualClock
from tests import servers
from tests.people import bearer

LACKING = "the database lacks migrations, 1 in all, the first is bridge.0003_roles: run manage.py migrate"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def migrations(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> UnappliedMigrations:
    """Those of a process that has just started."""
    fresh = UnappliedMigrations(clock.monotonic)
    for module in (views, unapplied_migrations):
        monkeypatch.setattr(module, "unapplied_migrations", fresh)
    return fresh


def unapply() -> None:
    MigrationRecorder(connection).record_unapplied("bridge", "0003_roles")


def apply() -> None:
    recorder = MigrationRecorder(connection)
    if ("bridge", "0003_roles") not in recorder.applied_migrations():
        recorder.record_applied("bridge", "0003_roles")


@pytest.fixture
def lacking(transactional_db: None) -> Iterator[None]:
    """A database that lacks one."""
    unapply()
    yield
    apply()


def queries_of(migrations: UnappliedMigrations) -> int:
    with CaptureQueriesContext(connection) as captured:
        migrations.problem()
    return len(captured)


def test_what_lacks_is_looked_up_now_and_then_until_nothing_does(
    lacking: None, migrations: UnappliedMigrations, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    assert migrations.problem() == LACKING
    apply()
    clock.move_to(AGAIN_S - 1)
    assert queries_of(migrations) == 0
    assert migrations.problem() == LACKING
    clock.move_to(AGAIN_S)
    assert migrations.problem() is None
    # Nobody takes one back under a bridge that runs.
    unapply()
    clock.move_to(2 * AGAIN_S)
    assert (queries_of(migrations), migrations.problem()) == (0, None)
    assert caplog.messages == [f"health: {LACKING}"]


def test_what_a_newer_version_brings_is_not_this_ones(
    lacking: None, migrations: UnappliedMigrations, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files lie there, not applied yet, while this one still runs."""
    assert migrations.problem() == LACKING
    monkeypatch.delattr(unapplied_migrations, "MigrationExecutor")
    apply()
    clock.move_to(AGAIN_S)
    assert migrations.problem() is None


@pytest.mark.parametrize("headers", [{}, {"Via": "1.1 proxy"}, {"Via": "1.1 proxy", **bearer("a.b.c")}])
async def test_health_says_it_and_strangers_hear_the_status_alone(
    runtime: Runtime,
    database_of_views: None,
    lacking: None,
    migrations: UnappliedMigrations,
    clock: ManualClock,
    settings: Settings,
    headers: dict[str, str],
) -> None:
    settings.SECURE_SSL_REDIRECT = False
    client = AsyncClient()
    for _ in range(2):
        answer = await client.get("/health", headers=headers)
        told = answer.json()
        assert (answer.status_code, told["status"]) == (503, "unhealthy")
        if headers:
            assert set(told) == {"status", "service", "version", "timestamp"}
        else:
            assert told["checks"]["database"] == {"ok": False, "error": LACKING}
    await sync_to_async(apply)()
    clock.move_to(AGAIN_S)
    assert (await client.get("/health")).status_code == 200


def test_it_is_said_when_the_bridge_starts_and_not_again_when_health_is_asked(
    lacking: None, migrations: UnappliedMigrations, caplog: pytest.LogCaptureFixture
) -> None:
    look_beside().join()
    assert caplog.messages == [f"health: {LACKING}"]
    assert migrations.problem() == LACKING
    assert caplog.messages == [f"health: {LACKING}"]


def test_a_database_that_cannot_be_used_holds_nothing_up(
    db: None,
    migrations: UnappliedMigrations,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def problem() -> None:
        raise OperationalError("it is away")

    monkeypatch.setattr(migrations, "problem", problem)
    look_beside().join()
    assert caplog.messages == ["the database cannot be used: it is away"]


@pytest.mark.processes
def test_a_bridge_behind_uvicorn_says_it_before_anybody_asks(tmp_path: Path) -> None:
    """daphne starts by `manage.py runserver`, which says it in words of Django's, too."""
    bridge = servers.bridge("uvicorn", "", servers.certificates(tmp_path / "certs"), tmp_path)
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as database, database:
        database.execute("DELETE FROM django_migrations WHERE app = 'bridge' AND name = '0003_roles'")
    with ExitStack() as stack:
        # Not by `with` alone, which asks for the health until there is one.
        stack.push(bridge)
        bridge.launch()
        give_up_at = time.monotonic() + servers.START_TIMEOUT_S
        while LACKING not in bridge.output():
            assert bridge.process.poll() is None, bridge.output()
            assert time.monotonic() < give_up_at, bridge.output()
            time.sleep(servers.POLL_S)
