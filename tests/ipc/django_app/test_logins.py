"""Logins: each is written down, guessing ends, and nothing that was typed as a password is kept."""

import asyncio
import os
import subprocess
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import aauthenticate, authenticate
from django.contrib.auth.models import User
from django.test import AsyncClient, RequestFactory
from pytest_django import Settings

from exprsn.embedded import EmbeddedValkey
from ipc.django_app.conf import conf
from ipc.django_app.logins import MAX_OF_ADDRESS, MAX_OF_NAME
from ipc.django_app.runtime import Runtime
from ipc.stores.audit import Audit
from ipc.stores.audit_filter import AuditEntry, AuditFilter
from ipc.stores.connection import execute
from tests.markdown import ROOT, commands

PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
async def ada(database_of_views: None, settings: Settings) -> User:
    settings.SECURE_SSL_REDIRECT = False
    return await sync_to_async(User.objects.create_superuser)("ada", password=PASSWORD)


async def log_in(username: str, password: str) -> bool:
    client = AsyncClient()
    form = {"username": username, "password": password}
    answer = await client.post("/admin/login/", form)
    assert answer.status_code in {200, 302}
    return answer.status_code == 302


async def tried(username: str, password: str, address: str) -> bool:
    request = RequestFactory().post("/", REMOTE_ADDR=address)
    return await sync_to_async(authenticate)(request, username=username, password=password) is not None


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line.getMessage() for line in caplog.records if line.name == "ipc.django_app.logins"]


async def entries(runtime: Runtime, action: str) -> list[AuditEntry]:
    assert runtime.mesh is not None
    page = await Audit(runtime.mesh.redis).read(AuditFilter(action=action))
    return list(reversed(page.entries))


async def told(runtime: Runtime) -> list[tuple[str, str, str]]:
    return [(entry.action, entry.by, entry.subject) for entry in await entries(runtime, "login")]


async def test_logins_are_in_the_trail_good_and_bad(runtime: Runtime, ada: User) -> None:
    """A name that nobody has is not kept: it may be a password in the wrong field."""
    assert not await log_in("ada", "wrong")
    assert not await log_in(PASSWORD, "ada")
    assert await log_in("ada", PASSWORD)
    assert await told(runtime) == [
        ("login.failed", "127.0.0.1", "ada"),
        ("login.failed", "127.0.0.1", "unknown"),
        ("login", f"operator {ada.pk}", str(ada.pk)),
    ]


async def test_guessing_a_password_ends_even_with_the_right_one(runtime: Runtime, ada: User) -> None:
    await sync_to_async(User.objects.create_superuser)("bob", password=PASSWORD)
    for number in range(MAX_OF_NAME):
        assert not await log_in("ada", f"guess {number}")
    assert not await log_in("ada", PASSWORD)
    assert await aauthenticate(None, username="ada", password=PASSWORD) is None
    assert await log_in("bob", PASSWORD)


async def test_whoever_is_kept_out_reads_the_same_as_of_a_wrong_password(runtime: Runtime, ada: User) -> None:
    """Also when all was started again, since it is Redis that counts; and whoever guesses learns nothing."""

    async def said(password: str) -> list[str]:
        answer = await AsyncClient().post("/admin/login/", {"username": "ada", "password": password})
        return list(answer.context["form"].non_field_errors())

    of_wrong_one = await said("guess")
    for number in range(MAX_OF_NAME - 1):
        assert not await log_in("ada", f"guess {number}")
    assert await said(PASSWORD) == of_wrong_one
    for page in ("security.md", "system.md"):
        text = (ROOT / "docs" / "explanation" / page).read_text(encoding="utf-8")
        assert f"`{of_wrong_one[0].split('. ')[0]}. …`" in text


async def test_the_command_of_the_docs_lets_a_name_in_again(runtime: Runtime, ada: User) -> None:
    """What its shell hands to redis-cli, which not every machine has, is done here."""
    assert runtime.mesh is not None
    (command,) = (line for line in commands(ROOT / "docs" / "explanation" / "security.md") if "redis-cli" in line)
    script = f"""redis-cli() {{ printf '%s\n' "$@"; }}\n{command}"""
    environment = {"PATH": os.environ["PATH"], "REDIS_URL": "redis://there"}
    ran = await asyncio.to_thread(
        subprocess.run, ["bash", "-ec", script], env=environment, check=True, capture_output=True, text=True
    )
    option, url, *asked = ran.stdout.splitlines()
    assert (option, url) == ("-u", "redis://there")
    for number in range(MAX_OF_NAME):
        assert not await log_in("ada", f"guess {number}")
    assert not await log_in("ada", PASSWORD)
    assert await execute(runtime.mesh.redis, tuple(asked), tuple(asked)) == [1, 0]
    assert await log_in("ada", PASSWORD)


async def test_whoever_goes_on_guessing_does_not_fill_the_trail(runtime: Runtime, ada: User) -> None:
    """Else a stranger could have it forget everything else."""
    for number in range(MAX_OF_NAME + 5):
        assert not await log_in("ada", f"guess {number}")
        assert not await log_in(f"nobody {number}", "guess")
    assert await told(runtime) == [
        ("login.failed", "127.0.0.1", "ada"),
        ("login.failed", "127.0.0.1", "unknown"),
        ("login.locked", "127.0.0.1", "ada"),
    ]


async def test_the_log_says_once_that_a_name_is_locked(runtime: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    """What is in the name, or in an address that a proxy has passed on, makes no line of its own."""
    await sync_to_async(User.objects.create_user)("e\nve\x1b[2J", password=PASSWORD)
    for number in range(MAX_OF_NAME - 1):
        assert not await tried("e\nve\x1b[2J", f"guess {number}", "a\rproxy")
    assert warnings_in(caplog) == []
    for password in ("last guess", "further guess", PASSWORD):
        assert not await tried("e\nve\x1b[2J", password, "a\rproxy")
    (line,) = warnings_in(caplog)
    assert line == (
        r"no login as 'e\nve\x1b[2J' is let in for up to 15 minutes: 10 have failed, the last from 'a\rproxy'"
    )
    (locked,) = await entries(runtime, "login.locked")
    assert (locked.by, locked.subject) == ("a\rproxy", "e\nve\x1b[2J")
    assert locked.details == {"failures": MAX_OF_NAME, "minutes": 15}


async def test_the_log_says_once_that_an_address_is_locked(runtime: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    """Of a name that nobody has it says nothing: it may be a password, and nobody is kept out."""
    for number in range(MAX_OF_ADDRESS + MAX_OF_NAME):
        assert not await tried(f"nobody {number // MAX_OF_NAME}", "guess", "192.0.2.7")
    assert warnings_in(caplog) == [
        "no login from '192.0.2.7' is let in for up to 15 minutes: 100 have failed, the last from '192.0.2.7'"
    ]
    (locked,) = await entries(runtime, "login.locked")
    assert (locked.by, locked.subject) == ("192.0.2.7", "192.0.2.7")
    assert locked.details == {"failures": MAX_OF_ADDRESS, "minutes": 15}


@pytest.mark.parametrize(
    ("addresses", "origin"),
    [
        (["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:2::1%eth0"], "2001:db8:1:2::/64"),
        (["::ffff:192.0.2.7", "192.0.2.7"], "192.0.2.7"),
        (["192.0.2.8"], "192.0.2.8"),
        (["a socket"], "a socket"),
    ],
)
async def test_all_addresses_of_a_network_of_ipv6_are_one_who_guesses(
    runtime: Runtime, ada: User, addresses: list[str], origin: str
) -> None:
    for number in range(MAX_OF_ADDRESS):
        assert not await tried(f"name {number}", "password", addresses[number % len(addresses)])
    assert {entry[1] for entry in await told(runtime)} == {origin}
    assert [await tried("ada", PASSWORD, address) for address in addresses] == [False] * len(addresses)
    assert await tried("ada", PASSWORD, "2001:db8:1:3::1")


async def test_a_login_that_works_forgives_the_ones_before(runtime: Runtime, ada: User) -> None:
    for _ in range(2):
        for number in range(MAX_OF_NAME - 1):
            assert not await log_in("ada", f"guess {number}")
        assert await log_in("ada", PASSWORD)


async def test_guessing_names_ends_for_an_address(runtime: Runtime, ada: User) -> None:
    for number in range(MAX_OF_ADDRESS):
        assert not await log_in(f"name {number}", "password")
    assert not await log_in("ada", PASSWORD)


@pytest.mark.parametrize("name", ["", "\x00", "x" * 10_000, "\N{SNOWMAN}", "ada*", "*"])
async def test_strange_names_are_refused_and_counted(runtime: Runtime, name: str) -> None:
    assert not await log_in(name, "password")
    assert {entry[2] for entry in await told(runtime)} <= {"unknown"}


async def test_people_log_in_while_redis_is_away(
    own_valkey: EmbeddedValkey, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is counted and the log has what the trail has not."""
    settings.REDIS_URL = own_valkey.url
    running: Any = Runtime(conf)
    await running.start()
    try:
        own_valkey.kill()
        assert await log_in("ada", PASSWORD)
        assert "not in the audit trail: login of" in caplog.text
    finally:
        own_valkey.start()
        await running.stop()


async def test_a_process_without_a_mesh_has_logins(caplog: pytest.LogCaptureFixture) -> None:
    assert not await log_in("ada", "wrong")
    assert await log_in("ada", PASSWORD)
    assert "not in the audit trail: login.failed of ada by 127.0.0.1" in caplog.text
    assert PASSWORD not in caplog.text
