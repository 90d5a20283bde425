"""Migrations that a database lacks: where it is said, how often it is looked up, and that applying them ends it."""

from collections.abc import Iterator

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import AsyncClient
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from bridge import unapplied_migrations, views
from bridge.unapplied_migrations import AGAIN_S, UnappliedMigrations
from ipc.django_app.runtime import Runtime
from tests.people import bearer

LACKING = "the database lacks migrations, 1 in all, the first is bridge.0003_roles: run manage.py migrate"


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def migrations(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> UnappliedMigrations:
    """Those of a process that has just started."""
    fresh = UnappliedMigrations(clock)
    monkeypatch.setattr(views, "unapplied_migrations", fresh)
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
    lacking: None, migrations: UnappliedMigrations, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    assert migrations.problem() == LACKING
    apply()
    clock.now_s += AGAIN_S - 1
    assert queries_of(migrations) == 0
    assert migrations.problem() == LACKING
    clock.now_s += 1
    assert migrations.problem() is None
    # Nobody takes one back under a bridge that runs.
    unapply()
    clock.now_s += AGAIN_S
    assert (queries_of(migrations), migrations.problem()) == (0, None)
    assert caplog.messages == [f"health: {LACKING}"]


def test_what_a_newer_version_brings_is_not_this_ones(
    lacking: None, migrations: UnappliedMigrations, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files lie there, not applied yet, while this one still runs."""
    assert migrations.problem() == LACKING
    monkeypatch.delattr(unapplied_migrations, "MigrationExecutor")
    apply()
    clock.now_s += AGAIN_S
    assert migrations.problem() is None


@pytest.mark.parametrize("headers", [{}, {"Via": "1.1 proxy"}, {"Via": "1.1 proxy", **bearer("a.b.c")}])
async def test_health_says_it_and_strangers_hear_the_status_alone(
    runtime: Runtime,
    database_of_views: None,
    lacking: None,
    migrations: UnappliedMigrations,
    clock: Clock,
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
    clock.now_s += AGAIN_S
    assert (await client.get("/health")).status_code == 200
