"""The development bypass is counted, and the audit trail hears of it once a minute for each kind and service."""

import asyncio
import logging
import threading
from typing import Any

import pytest
import redis
from pytest_django import Settings

from exprsn.embedded import EmbeddedValkey
from ipc.django_app.bypass import BypassUses, bypass_status, problem_of
from ipc.django_app.conf import conf
from ipc.django_app.runtime import Runtime
from ipc.stores import keys


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.0.1", "::1"])
def test_this_machine_may_use_it(peer: str) -> None:
    assert problem_of(peer, ["host", "accept"], ["true", " TRUE "]) is None


@pytest.mark.parametrize("peer", ["", "192.0.2.1", "::ffff:192.0.2.1", "localhost.evil.example", "127.0.0.1.evil"])
def test_another_machine_may_not(peer: str) -> None:
    assert problem_of(peer, []) == "it is only for this machine"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "X-Forwarded-For",
            "x-forwarded-for",
            "FORWARDED",
            "X-Real-IP",
            "X-Forwarded-Proto",
            "X-Forwarded-Port",
            "Via",
        ),
        *("CF-Connecting-IP", "True-Client-IP", "X-Client-IP", "X-Cluster-Client-IP", "X-Original-Forwarded-For"),
    ],
)
def test_what_came_through_a_proxy_may_not(name: str) -> None:
    assert problem_of("127.0.0.1", ["host", name]) == "it came through a proxy, so it may be from anywhere"


def test_its_status_says_what_is_open(settings: Settings) -> None:
    assert bypass_status().endswith("dev-user's, and sockets are let in without a token")
    settings.EXPRSN_SERVICE = "timeline"
    assert bypass_status().endswith("dev-user's")
    settings.BIND_HOST = "0.0.0.0"  # noqa: S104 - what is refused
    assert "is off" in bypass_status()


def test_every_use_is_counted_from_any_thread() -> None:
    """Without a mesh there is no trail, and nothing else to do."""
    uses = BypassUses()

    def use() -> None:
        for _ in range(500):
            uses.add("http", "exprsn-bridge", by="::1")

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert uses.count == {"http": 2_000}


async def written(redis_url: str, use: Any) -> list[tuple[str, str, str, str]]:
    """Return what is in the trail after something was done beside a runtime whose tasks have ended."""
    runtime = Runtime(conf)
    await runtime.start()
    try:
        await asyncio.to_thread(use)
        # What the thread has asked for is in the loop's queue already.
        await asyncio.sleep(0)
        await asyncio.gather(*runtime._tasks.running)
    finally:
        await runtime.stop()
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        entries = [fields for _, fields in client.xrange(keys.AUDIT)]
    return [(entry["action"], entry["by"], entry["subject"], entry["details"]) for entry in entries]


async def test_the_trail_has_one_use_of_each_kind_and_service(settings: Settings, redis_url: str) -> None:
    settings.REDIS_URL = redis_url
    uses, other_process = BypassUses(), BypassUses()

    def use() -> None:
        for one in (uses, other_process):
            for _ in range(3):
                one.add("http", "exprsn-bridge", by="127.0.0.1")
                one.add("socket", "exprsn-herald", by="::1")

    entries = await written(redis_url, use)
    assert sorted(entries) == [
        ("bypass.used", "127.0.0.1", "exprsn-bridge", '{"kind":"http"}'),
        ("bypass.used", "::1", "exprsn-herald", '{"kind":"socket"}'),
    ]


async def test_after_a_minute_it_is_written_again(settings: Settings, redis_url: str) -> None:
    settings.REDIS_URL = redis_url
    now = 0.0
    uses = BypassUses(lambda: now)
    uses.add("http", "exprsn-bridge", by="::1")

    def use() -> None:
        uses.add("http", "exprsn-bridge", by="::1")

    assert await written(redis_url, use) == []
    now = 60.0
    assert len(await written(redis_url, use)) == 1


async def test_a_redis_that_is_away_costs_an_entry_and_no_more(
    settings: Settings, own_valkey: EmbeddedValkey, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_URL = own_valkey.url
    own_valkey.stop()
    runtime = Runtime(conf)
    await runtime.start()
    try:
        with caplog.at_level(logging.WARNING):
            uses = BypassUses()
            uses.add("http", "exprsn-bridge", by="::1")
            await asyncio.sleep(0)
            await asyncio.gather(*runtime._tasks.running)
    finally:
        await runtime.stop()
    assert "is not in the audit trail" in caplog.text
    assert uses.count["http"] == 1
