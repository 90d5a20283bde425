"""Each system check: what it refuses, and what it lets be."""

from typing import Any

import pytest
from django.core.checks import run_checks
from pytest_django import Settings


@pytest.fixture(autouse=True)
def addresses(settings: Settings) -> None:
    settings.ROOT_URLCONF = "timeline.urls"


def found(settings: Settings, **values: Any) -> list[str]:
    for name, value in values.items():
        setattr(settings, name, value)
    return [str(message.id) for message in run_checks() if str(message.id).startswith("ipc.")]


def test_a_development_machine_with_the_bypass_passes(settings: Settings) -> None:
    assert found(settings) == []


@pytest.mark.parametrize("switch", ["DEV_BYPASS", "IPC_BYPASS_AUTH"])
@pytest.mark.parametrize(
    "place",
    [
        {"EXPRSN_ENV": "production", "REDIS_URL": "redis://h"},
        {"BIND_HOST": "0.0.0.0"},  # noqa: S104 - what is refused
        {"BIND_HOST": "::"},
        {"BIND_HOST": "example.com"},
        {"BIND_HOST": ""},
    ],
)
def test_a_bypass_that_others_could_use_stops_the_start(settings: Settings, switch: str, place: dict[str, str]) -> None:
    off = {"DEV_BYPASS": False, "IPC_BYPASS_AUTH": False}
    assert found(settings, **off, **place) == []
    assert found(settings, **{switch: True}) == ["ipc.E001"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_every_loopback_address_will_do(settings: Settings, host: str) -> None:
    assert found(settings, BIND_HOST=host) == []


@pytest.mark.parametrize(
    "values",
    [
        {"EXPRSN_ENV": "developement"},
        {"EXPRSN_SERVICE": "nobody"},
        {"EXPRSN_SERVICE": ""},
        {"IPC_ON_BEHALF": ["herald", "nobody"]},
    ],
)
def test_a_name_that_does_not_exist_stops_the_start(settings: Settings, values: dict[str, Any]) -> None:
    settings.DEV_BYPASS = settings.IPC_BYPASS_AUTH = False
    settings.REDIS_URL = "redis://h"
    assert found(settings, **values) == ["ipc.E002"]


@pytest.mark.parametrize("service", ["timeline", "exprsn-timeline", "bridge"])
def test_both_forms_of_a_service_are_names(settings: Settings, service: str) -> None:
    assert found(settings, EXPRSN_SERVICE=service) == []


@pytest.mark.parametrize(
    "values",
    [
        {"IPC_MAX_DATA": 2_000_000},
        {"IPC_MAX_FRAME": 16_000_000},
        {"IPC_MAX_MESSAGES": 0},
        {"IPC_HEARTBEAT": 0},
        {"IPC_LOG_MAXLEN": 0},
        {"IPC_LOG_TTL": 0},
    ],
)
def test_limits_that_contradict_each_other_stop_the_start(settings: Settings, values: dict[str, int]) -> None:
    assert found(settings, **values) == ["ipc.E003"]


@pytest.mark.parametrize("key", ["", "too short", "a" * 64, "a good key 0123456789 abcdefghijklm,weak"])
def test_a_bridge_without_a_good_key_is_stopped_and_the_key_is_not_shown(settings: Settings, key: str) -> None:
    assert found(settings, IPC_BROKER_KEY=key) == ["ipc.E004"]
    assert not key or key not in str(run_checks())
    assert found(settings, EXPRSN_SERVICE="timeline") == []


def test_several_good_keys_are_taken(settings: Settings) -> None:
    keys = "the new key 0123456789 abcdefghijklm, the old key 0123456789 abcdefghijklm"
    assert found(settings, IPC_BROKER_KEY=keys) == []


@pytest.mark.parametrize("name", ["REDIS_URL", "BRIDGE_URL"])
def test_production_without_a_way_to_the_mesh_is_warned_of(settings: Settings, name: str) -> None:
    settings.DEV_BYPASS = settings.IPC_BYPASS_AUTH = False
    assert found(settings, EXPRSN_ENV="production") == ["ipc.W001"]
    assert found(settings, **{name: "somewhere"}) == []


@pytest.mark.parametrize("token", ["short", "x" * 31, "x" * 20 + " " + "x" * 20, "\u00fc" * 40, "x" * 40 + "\n"])
def test_a_token_for_metrics_that_could_be_guessed_or_not_be_sent_stops_the_start(
    settings: Settings, token: str
) -> None:
    assert found(settings, IPC_METRICS_TOKEN=token) == ["ipc.E010"]
    assert found(settings, IPC_METRICS_TOKEN="x" * 32) == []
