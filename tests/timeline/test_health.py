"""The health of Timeline."""

from typing import Any

import pytest
from django.db import OperationalError
from django.test import AsyncClient
from django.urls import path
from django.utils.dateparse import parse_datetime
from pytest_django import Settings

from ipc.django_app.apps import ipc_config
from ipc.django_app.outbox import outbox_add
from tests.database import in_thread
from timeline import health

urlpatterns = [path("health", health.health)]
pytestmark = pytest.mark.django_db(transaction=True)


class FakeRuntime:
    def __init__(self, answer: dict[str, dict[str, Any]] | Exception) -> None:
        self.answer = answer

    async def health(self) -> dict[str, dict[str, Any]]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture(autouse=True)
def address(settings: Settings, timeline_addresses: None) -> None:
    settings.ROOT_URLCONF = __name__


async def ask() -> tuple[int, dict[str, Any]]:
    answer = await AsyncClient().get("/health")
    return answer.status_code, answer.json()


async def test_a_working_timeline_is_healthy() -> None:
    status, body = await ask()
    assert status == 200
    assert (body["status"], body["service"], body["version"]) == ("healthy", "exprsn-timeline", "0.1.0")
    assert parse_datetime(body["timestamp"]) is not None
    assert body["checks"]["database"] == {"ok": True}
    assert body["checks"]["ipc"] == {"ok": True, "pending": 0, "oldestMs": 0, "parked": 0}


async def test_what_waits_in_the_outbox_is_shown() -> None:
    await in_thread(outbox_add, event="a:b", data=None, key="k")
    _, body = await ask()
    assert body["checks"]["ipc"]["pending"] == 1


async def test_a_lost_redis_is_shown_but_posts_are_still_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ipc_config(), "runtime", FakeRuntime({"redis": {"ok": False}, "worker": {"ok": False}}))
    status, body = await ask()
    assert (status, body["status"]) == (200, "healthy")
    assert body["checks"]["redis"] == {"ok": False}


@pytest.mark.parametrize("error", [RuntimeError("broken"), TimeoutError()])
async def test_a_runtime_that_does_not_answer_is_shown(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(ipc_config(), "runtime", FakeRuntime(error))
    status, body = await ask()
    assert (status, body["checks"]["worker"]["ok"]) == (200, False)


async def test_a_lost_database_is_unhealthy_and_tells_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> dict[str, Any]:
        raise OperationalError("password=hunter2")

    monkeypatch.setattr(health, "_outbox_check", fail)
    status, body = await ask()
    assert (status, body["status"], body["checks"]["database"]["ok"]) == (503, "unhealthy", False)
    assert "hunter2" not in str(body)
