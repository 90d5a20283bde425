"""The settings as one typed object."""

import pytest
from pytest_django import Settings

from ipc.django_app.conf import conf
from ipc.protocol.errors import UnknownServiceError
from ipc.protocol.limits import Limits


def test_settings_are_read_on_access(settings: Settings) -> None:
    settings.REDIS_URL, settings.BRIDGE_URL = "redis://one", "wss://two"
    settings.EXPRSN_SERVICE, settings.IPC_MAX_DATA = "timeline", 7
    assert (conf.redis_url, conf.bridge_url) == ("redis://one", "wss://two")
    assert (conf.service, conf.limits().data_bytes) == ("exprsn-timeline", 7)
    settings.REDIS_URL = ""
    assert conf.redis_url == ""


def test_a_project_that_sets_nothing_gets_the_librarys_defaults_and_no_bypass(settings: Settings) -> None:
    for name in ("EXPRSN_ENV", "DEV_BYPASS", "IPC_BYPASS_AUTH", "IPC_MAX_FRAME", "IPC_MAX_DATA", "IPC_MAX_MESSAGES",
                 "IPC_OUTBOX_BYTES", "IPC_OUTBOX_MESSAGES", "IPC_MAX_GROUPS", "IPC_MAX_SESSIONS", "IPC_HEARTBEAT",
                 "IPC_CALLS_PER_SESSION", "IPC_CALLS_PER_OWNER", "IPC_BREAKER_FAILURES", "IPC_BREAKER_PAUSE",
                 "IPC_LOG_MAXLEN", "IPC_LOG_TTL"):  # fmt: skip
        delattr(settings, name)
    assert conf.limits() == Limits()
    assert (conf.in_development, conf.dev_bypass, conf.ipc_bypass_auth) == (False, False, False)
    assert (conf.log_maxlen, conf.log_ttl_s) == (100_000, 86_400)


def test_the_limits_of_calls_are_those_that_the_project_sets(settings: Settings) -> None:
    settings.IPC_CALLS_PER_SESSION, settings.IPC_CALLS_PER_OWNER = 11, 12
    settings.IPC_BREAKER_FAILURES, settings.IPC_BREAKER_PAUSE = 13, 14
    assert conf.limits() == Limits(calls_per_session=11, calls_per_owner=12, breaker_failures=13, breaker_pause_ms=14)


def test_the_worker_is_the_services(settings: Settings) -> None:
    settings.IPC_WORKERS = {"timeline": "timeline.listeners.worker"}
    settings.EXPRSN_SERVICE = "exprsn-timeline"
    assert conf.worker_path == "timeline.listeners.worker"
    settings.EXPRSN_SERVICE = "bridge"
    assert conf.worker_path is None


def test_an_unknown_service_is_an_error(settings: Settings) -> None:
    settings.EXPRSN_SERVICE = "nobody"
    with pytest.raises(UnknownServiceError):
        _ = conf.service
