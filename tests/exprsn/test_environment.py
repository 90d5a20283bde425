"""Choices; and secrets: from the environment, made once on a development machine, and never made up elsewhere."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from exprsn.environment import choice, database, port, refuse_short, secret
from tests.servers import ROOT

MAKE = """
import sys
from pathlib import Path
from exprsn.environment import secret
print(secret("A_SECRET", file=Path(sys.argv[1]), may_create=True))
"""


def test_processes_that_start_together_share_one_secret_that_is_their_owners_only(tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "broker_key"
    command = [sys.executable, "-c", MAKE, str(file)]
    started = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    made = {process.communicate(timeout=60)[0].strip() for process in started}
    assert made == {file.read_text()}
    assert len(file.read_text()) >= 32
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert list(file.parent.iterdir()) == [file]


def test_what_is_set_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("A_SECRET", "set")
    assert secret("A_SECRET", file=tmp_path / "s", may_create=True) == "set"
    assert not (tmp_path / "s").exists()


def test_nothing_is_made_up_where_it_may_not_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("A_SECRET", raising=False)
    with pytest.raises(
        ImproperlyConfigured, match=r"set A_SECRET: .* EXPRSN_ENV=development: is \.env a copy of \.env\.example\?"
    ):
        secret("A_SECRET", file=tmp_path / "s", may_create=False)
    assert secret("A_SECRET", file=tmp_path / "s", may_create=False, is_needed=False) == ""


@pytest.mark.parametrize("value", ["abc", "s" * 31])
def test_a_secret_that_could_be_guessed_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=rf"A_SECRET has at least 32 .* has {len(value)}: set it") as refused:
        refuse_short("A_SECRET", value)
    assert value not in str(refused.value)
    refuse_short("A_SECRET", "s" * 32)


@pytest.mark.parametrize(("value", "found"), [("1", 1), ("65535", 65_535), ("", 3010)])
def test_a_port_is_one_that_there_is(monkeypatch: pytest.MonkeyPatch, value: str, found: int) -> None:
    monkeypatch.setenv("A_PORT", value)
    assert port("A_PORT", 3010) == found


@pytest.mark.parametrize("value", ["0", "65536", "99999"])
def test_another_number_is_no_port(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("A_PORT", value)
    with pytest.raises(ImproperlyConfigured, match=f"A_PORT is a port, 1 to 65535, not {value}"):
        port("A_PORT", 3010)
    assert value != "0" or port("A_PORT", 3010, lowest=0) == 0


@pytest.mark.parametrize(("value", "chosen"), [("json", "json"), ("", "human"), (" human ", "human")])
def test_a_choice_is_one_of_its_options_or_the_default(
    monkeypatch: pytest.MonkeyPatch, value: str, chosen: str
) -> None:
    monkeypatch.setenv("A_CHOICE", value)
    assert choice("A_CHOICE", "human", options=("human", "json")) == chosen


@pytest.mark.parametrize("value", ["JSON", "xml", "human,json"])
def test_another_choice_stops_the_start(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("A_CHOICE", value)
    with pytest.raises(ImproperlyConfigured, match=f"A_CHOICE is human or json, not '{value}'"):
        choice("A_CHOICE", "human", options=("human", "json"))


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:s3cret/word@h/x",
        "postgres://u:s3cret#word@h:1/x",
        "u:s3cret@h",
        "nosuch://u:s3cret@h/x",
        "postgres://u:s3cret@[h/x",
        "postgres://u:s3cret@h:port/x",
    ],
)
def test_what_is_no_address_of_a_database_is_said_without_the_password(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="percent-encoded") as raised:
        database(url)
    assert "s3cret" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_an_address_of_a_database_is_what_django_takes() -> None:
    found = database("postgres://u:p%40ss@h:5432/x")
    assert (found["ENGINE"], found["PASSWORD"], found["NAME"]) == ("django.db.backends.postgresql", "p@ss", "x")
