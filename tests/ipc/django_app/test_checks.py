"""Each system check: what it refuses, and what it lets be."""

from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from ipc.django_app.checks import refuse_unsafe_settings


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


@pytest.mark.parametrize(("name", "value"), [("REDIS_URL", "redis://h"), ("BRIDGE_URL", "somewhere")])
def test_production_without_a_way_to_the_mesh_is_warned_of(settings: Settings, name: str, value: str) -> None:
    settings.DEV_BYPASS = settings.IPC_BYPASS_AUTH = False
    assert found(settings, EXPRSN_ENV="production") == ["ipc.W001"]
    assert found(settings, **{name: value}) == []


PRODUCTION = {"EXPRSN_ENV": "production", "DEV_BYPASS": False, "IPC_BYPASS_AUTH": False, "REDIS_URL": "redis://h"}


def test_asking_clients_for_certificates_needs_tls_and_their_ca(settings: Settings, tmp_path: Path) -> None:
    on = {**PRODUCTION, "EXPRSN_SERVICE": "bridge", "IPC_MTLS": True, "CERTS_DIR": tmp_path}
    assert found(settings, **on) == ["ipc.E006"]
    assert found(settings, CERTS_DIR=None) == ["ipc.E006"]
    (tmp_path / "ca-cert.pem").touch()
    assert found(settings, CERTS_DIR=tmp_path) == []
    assert found(settings, TLS_ENABLED=False) == ["ipc.E006"]
    with pytest.raises(ImproperlyConfigured, match=r"ipc\.E006: IPC_MTLS asks .* TLS_ENABLED is false"):
        refuse_unsafe_settings()
    assert found(settings, EXPRSN_SERVICE="timeline") == []
    assert found(settings, EXPRSN_SERVICE="bridge", IPC_MTLS=False) == []


def test_a_development_machine_has_no_ca_before_it_makes_one(settings: Settings, tmp_path: Path) -> None:
    assert found(settings, EXPRSN_SERVICE="bridge", IPC_MTLS=True, CERTS_DIR=tmp_path) == []


@pytest.mark.parametrize("token", ["short", "x" * 31, "x" * 20 + " " + "x" * 20, "\u00fc" * 40, "x" * 40 + "\n"])
def test_a_token_for_metrics_that_could_be_guessed_or_not_be_sent_stops_the_start(
    settings: Settings, token: str
) -> None:
    assert found(settings, IPC_METRICS_TOKEN=token) == ["ipc.E010"]
    assert found(settings, IPC_METRICS_TOKEN="x" * 32) == []


@pytest.mark.parametrize(
    "url",
    [
        "reds://u:hidden@x",
        "h:6379",
        "redis://u:hidden@h:port",
        "redis://h?hidden=1",
        "///",
        "redis://:6379",
        "redis://u:hidden@",
    ],
)
def test_an_address_that_is_none_of_a_redis_stops_every_server_and_is_shown_without_its_password(
    settings: Settings, url: str
) -> None:
    """The client of Redis would take the machine itself for a host that is left out."""
    assert found(settings, **{**PRODUCTION, "REDIS_URL": url}) == ["ipc.E007"]
    with pytest.raises(
        ImproperlyConfigured, match=r"ipc\.E007: REDIS_URL(: .* is no address| names no host)"
    ) as refused:
        refuse_unsafe_settings()
    assert "hidden" not in f"{refused.value} {run_checks()}"
    assert found(settings, REDIS_URL="rediss://u:hidden@h:6380/0") == []
    assert found(settings, REDIS_URL="unix:///run/valkey.sock") == []
