"""Writing to the outbox: wrong events fail their transaction, right ones wake the relay once it has committed."""

import datetime as dt
import uuid
from typing import Any

import pytest
from django.db import transaction
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from ipc.django_app.apps import ipc_config
from ipc.django_app.models import OutboxEvent
from ipc.django_app.outbox import outbox_add
from ipc.protocol.errors import BadMessageError

pytestmark = pytest.mark.django_db


class CountingRelay:
    def __init__(self, error: Exception | None = None) -> None:
        self.woken = 0
        self.error = error

    def wake(self) -> None:
        self.woken += 1
        if self.error:
            raise self.error


def test_an_event_is_kept_as_its_json_reads_back() -> None:
    """Also what JSON has no type for, and characters that need escapes, come back as every reader will get them."""
    when = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    data = {"id": uuid.UUID(int=1), "at": when, "text": 'a "b" \\u0000 \u2028 🌍', "n": [1, 2.5, None, 2**60]}
    row = outbox_add(event="a:b", data=data, key="k", target=("herald", "spark"), meta={"x": 1})
    row.refresh_from_db()
    assert row.data == {**data, "id": str(uuid.UUID(int=1)), "at": "2026-01-02T00:00:00Z"}
    assert (row.target, row.meta, row.key, len(row.event_id)) == (["herald", "spark"], {"x": 1}, "k", 26)


@pytest.mark.parametrize("data", [None, 0, "", [], {}, False])
def test_every_json_value_is_data(data: Any) -> None:
    row = outbox_add(event="a:b", data=data, key="k")
    row.refresh_from_db()
    assert row.data == data


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"event": "nonsense"}, "INVALID_EVENT"),
        ({"target": "nobody"}, "UNKNOWN_TARGET"),
        ({"target": []}, "UNKNOWN_TARGET"),
        ({"data": "x" * 300_000}, "DATA_TOO_LARGE"),
        ({"data": object()}, "INVALID_DATA"),
        ({"data": "\x00"}, "INVALID_DATA"),
        ({"data": {"\x00": 1}}, "INVALID_DATA"),
        ({"data": "\\\x00"}, "INVALID_DATA"),
        ({"data": "\ud800"}, "INVALID_DATA"),
        ({"meta": {"x": "\x00"}}, "INVALID_DATA"),
        ({"key": ""}, "INVALID_MESSAGE"),
        ({"key": "k" * 129}, "INVALID_MESSAGE"),
        ({"key": "a\x00"}, "INVALID_MESSAGE"),
    ],
)
def test_a_wrong_event_is_refused_before_anything_is_written(wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(BadMessageError) as caught:
        outbox_add(**{"event": "a:b", "data": 1, "key": "k", **wrong})
    assert caught.value.code == code
    assert not OutboxEvent.objects.exists()


def test_the_size_limit_is_the_setting(settings: Settings) -> None:
    settings.IPC_MAX_DATA = 10
    with pytest.raises(BadMessageError, match="at most 10 bytes"):
        outbox_add(event="a:b", data="x" * 10, key="k")


def test_the_relay_is_woken_by_the_commit_and_not_before(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    relay = CountingRelay()
    monkeypatch.setattr(ipc_config(), "relay", relay)
    with django_capture_on_commit_callbacks(execute=True):
        outbox_add(event="a:b", data=1, key="k")
        assert relay.woken == 0
    assert relay.woken == 1


@pytest.mark.django_db(transaction=True)
def test_a_relay_that_cannot_be_woken_does_not_fail_the_request(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ipc_config(), "relay", CountingRelay(RuntimeError("gone")))
    with transaction.atomic():
        outbox_add(event="a:b", data=1, key="k")
    assert OutboxEvent.objects.count() == 1
    assert "gone" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_rollback_takes_the_event_with_it_and_wakes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    relay = CountingRelay()
    monkeypatch.setattr(ipc_config(), "relay", relay)

    def fail() -> None:
        with transaction.atomic():
            outbox_add(event="a:b", data=1, key="k")
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        fail()
    assert (OutboxEvent.objects.count(), relay.woken) == (0, 0)
