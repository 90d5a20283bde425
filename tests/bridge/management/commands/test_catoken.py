"""`manage.py catoken`: what it makes holds for the CA that is there, and it says no more than it has to."""

import io
import json
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from certs.pair import KeyType, PrivateKey
from ipc.django_app.ca_key import current_ca_key
from tests.bridge.tokens import encoded
from tests.people import make_ca, token_of


@pytest.fixture(autouse=True)
def ca(settings: Settings, tmp_path: Path) -> PrivateKey:
    settings.CERTS_DIR = tmp_path
    return make_ca(tmp_path)


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("catoken", *words, stdout=out)
    return out.getvalue()


def test_it_prints_the_token_and_nothing_else() -> None:
    token = run("mint", "--sub", "ann")
    assert token.count("\n") == 1
    claims = current_ca_key().verify(token.strip())
    assert (claims.sub, claims.resource, claims.roles, round(claims.exp - claims.iat)) == ("ann", "*", (), 3_600)
    assert claims.permissions.names == {"read", "write", "append", "update", "delete"}


def test_what_is_wanted_is_what_is_made(tmp_path: Path) -> None:
    make_ca(tmp_path, key_type=KeyType.RSA)
    words = [
        "--permission",
        "read",
        "--permission",
        "append",
        "--resource",
        "posts/*",
        "--role",
        "editor",
        "--ttl",
        "60",
    ]
    told = json.loads(run("inspect", run("mint", "--sub", "ann@example.org", *words).strip(), "--json"))
    given = {"read": True, "write": False, "append": True, "update": False, "delete": False}
    assert (told["sub"], told["permissions"], told["resource"]) == ("ann@example.org", given, "posts/*")
    assert (told["roles"], round(told["exp"] - told["iat"]), told["holds"]) == (["editor"], 60, True)


def test_a_token_comes_from_the_input_so_that_no_history_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(run("mint", "--sub", "ann", "--permission", "read")))
    lines = run("inspect").splitlines()
    assert lines[:3] == ["sub             ann", "permissions     read", "resource        *"]
    assert lines[3].startswith("iat             1")
    assert lines[3].endswith(" UTC")


def test_one_that_has_expired_is_shown_and_said_to_be(ca: PrivateKey) -> None:
    out = io.StringIO()
    with pytest.raises(CommandError, match="expired"):
        call_command("catoken", "inspect", token_of("ann", ca, now_s=1_700_000_000), stdout=out)
    assert "2023-11-14" in out.getvalue()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["mint", "--sub", "service:exprsn-auth"], "sub is no user"),
        (["mint", "--sub", "ann", "--permission", "fly"], "no permission 'fly'"),
        (["mint", "--sub", "ann", "--resource", "posts*"], "resource is wrong"),
        (["mint", "--sub", "ann", "--role", "Admin"], "roles are"),
        (["mint", "--sub", "ann", "--ttl", "86401"], "at most 86400 s, this one for 86401 s"),
        (["mint", "--sub", "ann", "--ttl", "0"], "more than 0 and at most 86400 s, this one for 0 s"),
        (["mint"], "--sub"),
        (["inspect", "a.b.c"], "header"),
        (["inspect", f"{encoded({'alg': 'HS256'})}.e30.AA"], "looks like a broker token, which counts at the bridge"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(words: list[str], why: str) -> None:
    with pytest.raises(CommandError, match=why):
        run(*words)


def test_without_a_ca_or_its_key_it_says_so(tmp_path: Path, ca: PrivateKey) -> None:
    token = token_of("ann", ca)
    (tmp_path / "ca-key.pem").unlink()
    with pytest.raises(CommandError, match="the key of the CA is not in"):
        run("mint", "--sub", "ann")
    assert "ann" in run("inspect", token)
    (tmp_path / "ca-cert.pem").unlink()
    with pytest.raises(CommandError, match="gencerts"):
        run("mint", "--sub", "ann")
    with pytest.raises(CommandError, match="no CA"):
        run("inspect", token)
