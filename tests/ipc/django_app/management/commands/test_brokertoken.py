"""`manage.py brokertoken`, on a real Valkey: what it makes holds until it is revoked, and it tells no secret."""

import io
import json
import sys
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from ipc.protocol.ids import new_ulid
from ipc.protocol.permissions import USUAL
from tests.bridge.tokens import encoded
from tests.clock import pass_a_millisecond

KEY = "a key of these tests 0123456789 abcdef"


@pytest.fixture(autouse=True)
def mesh(settings: Settings, redis_url: str) -> None:
    settings.REDIS_URL = redis_url
    settings.IPC_BROKER_KEY = KEY


def run(*words: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("brokertoken", *words, stdout=out, **options)
    return out.getvalue().strip()


def told(token: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("inspect", token, "--json"))
    return found


def test_a_token_is_made_looked_at_listed_and_revoked() -> None:
    token = run("mint", "herald", "--ttl", "60")
    claims = told(token)
    assert (claims["source"], claims["target"], claims["permissions"]) == ("exprsn-herald", "*", list(USUAL))
    assert (claims["holds"], round(claims["exp"] - claims["iat"]), claims["env"]) == (True, 60, "dev")
    listed = run("list")
    assert claims["id"] in listed
    assert "1 token" in listed
    assert token not in listed
    assert run("revoke", claims["id"]) == f"revoked: {claims['id']}"
    with pytest.raises(CommandError, match="the token was revoked"):
        told(token)
    assert run("list") == "0 tokens"


def test_all_of_a_service_are_revoked() -> None:
    herald, spark = run("mint", "herald"), run("mint", "spark")
    assert run("revoke", "--service", "herald").startswith("revoked: herald, all tokens that were issued up to 20")
    assert run("list", "--service", "herald") == "0 tokens"
    assert told(spark)["id"] in run("list")
    with pytest.raises(CommandError, match="revoked"):
        told(herald)
    assert told(spark)["holds"]


def test_all_of_a_service_that_were_made_before_a_moment_are_revoked() -> None:
    """A stolen one is ended, and what was made since the theft was found goes on."""
    stolen = run("mint", "herald")
    pass_a_millisecond()
    fresh = run("mint", "herald")
    until = str(round(told(stolen)["iat"] * 1000))
    said = run("revoke", "--service", "herald", "--before", "1767323045007")
    assert said == "revoked: herald, all tokens that were issued up to 2026-01-02 03:04:05.007 UTC"
    assert told(stolen)["holds"]
    run("revoke", "--service", "herald", "--before", until)
    with pytest.raises(CommandError, match="revoked"):
        told(stolen)
    assert told(fresh)["holds"]


def test_what_is_wanted_is_what_is_made() -> None:
    token = run(
        "mint", "herald", "--permission", "emit:a:*", "--permission", "jsonlex", "--target", "bridge", "--stateful",
        "--rate-limit-exempt",
    )  # fmt: skip
    claims = told(token)
    assert (claims["permissions"], claims["target"]) == (["emit:a:*", "jsonlex"], "exprsn-bridge")
    assert (claims["stateful"], claims["stateKey"], claims["rateLimitExempt"]) == (True, claims["id"], True)


def test_a_token_may_come_from_the_input_so_that_no_history_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(run("mint", "herald") + "\n"))
    shown = run("inspect")
    lines = shown.splitlines()
    assert "source          exprsn-herald" in lines
    assert f"permissions     {', '.join(USUAL)}" in lines
    assert lines[-1] == "holds           yes"


def test_one_that_counts_for_nothing_here_does_not_hold(settings: Settings) -> None:
    """As whoever is shown it would find."""
    settings.EXPRSN_ENV = "development"
    token = run("mint", "herald")
    settings.EXPRSN_ENV = "production"
    out = io.StringIO()
    with pytest.raises(CommandError, match="made on a development machine"):
        call_command("brokertoken", "inspect", token, stdout=out)
    assert out.getvalue().splitlines()[-1] == "holds           no"


def test_an_id_that_nothing_is_known_of_is_revoked_and_said_to_be_unknown() -> None:
    """So that a slip does not look as if it had ended something."""
    unknown = new_ulid()
    assert run("revoke", unknown).startswith(f"revoked: {unknown}, of which nothing is known: ")
    token_id = told(run("mint", "herald"))["id"]
    assert run("revoke", token_id) == f"revoked: {token_id}"
    assert "nothing is known" in run("revoke", token_id)


def test_a_list_goes_on_where_it_ended() -> None:
    for _ in range(3):
        run("mint", "herald")
    page = json.loads(run("list", "--limit", "2", "--json"))
    rest = json.loads(run("list", "--service", "herald", "--after", page["next"], "--json"))
    assert (len(page["tokens"]), len(rest["tokens"]), rest["next"]) == (2, 1, None)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["mint", "nobody"], "there is no service"),
        (["mint", "herald", "--permission", "emit:no"], "not an event pattern"),
        (["mint", "herald", "--ttl", "99999999"], "--ttl is 1 to 2678400 seconds, which are 31 days, not 99999999"),
        (["mint", "herald", "--ttl", "0"], "--ttl is 1 to 2678400 seconds, which are 31 days, not 0"),
        (["inspect", "a.b.c"], "header"),
        (["inspect", f"{encoded({'alg': 'ES256'})}.e30.AA"], "looks like a CA token, which counts at Timeline's"),
        (["revoke", "x"], "no id of a token"),
        (["revoke", "01M8CV83KQ61K6KGNMMY3EE18P", "--before", "1h"], "for all tokens of a --service"),
        (["revoke", "--service", "herald", "--before", "soon"], "no moment"),
        (["revoke", "--service", "herald", "--before", "2999-01-01"], "still to come"),
        (["list", "--after", "x"], "no place to go on from"),
        (["list", "--limit", "0"], "1 or more"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(words: list[str], why: str) -> None:
    with pytest.raises(CommandError, match=why):
        run(*words)


def test_without_a_mesh_or_a_key_it_says_so(settings: Settings) -> None:
    settings.IPC_BROKER_KEY = "short"
    with pytest.raises(CommandError, match="IPC_BROKER_KEY: a key has at least 32 bytes"):
        run("list", skip_checks=True)
    settings.REDIS_URL = ""
    with pytest.raises(CommandError, match="REDIS_URL is not set"):
        run("list", skip_checks=True)
