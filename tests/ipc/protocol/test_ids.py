"""Identifiers that sort by time."""

import re
import time

import pytest

from ipc.protocol import ids
from ipc.protocol.ids import new_ulid, ulid_ms


def test_an_id_is_a_ulid() -> None:
    """26 characters of Crockford's base 32, the first of them at most 7, since they hold 128 bits."""
    assert re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", new_ulid())


def test_ids_differ_and_sort_by_their_millisecond() -> None:
    found = [new_ulid() for _ in range(1_000)]
    assert len(set(found)) == 1_000
    assert [ulid[:10] for ulid in found] == sorted(ulid[:10] for ulid in found)


def test_an_id_tells_its_time() -> None:
    before_ms = time.time_ns() // 1_000_000
    ulid = new_ulid()
    after_ms = time.time_ns() // 1_000_000
    ms = 0
    for character in ulid[:10]:
        ms = ms * 32 + ids._ALPHABET.index(character)
    assert before_ms <= ms <= after_ms


def test_a_ulid_tells_when_it_was_made() -> None:
    before = time.time_ns() // 1_000_000
    made_ms = ulid_ms(new_ulid())
    assert made_ms is not None
    assert before <= made_ms <= time.time_ns() // 1_000_000


def test_the_time_of_the_specifications_example_is_read() -> None:
    """github.com/ulid/spec: 01ARZ3NDEKTSV4RRFFQ69G5FAV."""
    assert ulid_ms("01ARZ3NDEKTSV4RRFFQ69G5FAV") == 1469922850259


@pytest.mark.parametrize(
    "text", ["", "e1", "01ARZ3NDEKTSV4RRFFQ69G5FA", "01ARZ3NDEKTSV4RRFFQ69G5FAVX", "81ARZ3NDEKTSV4RRFFQ69G5FAV",
             "01arz3ndektsv4rrffq69g5fav", "01ARZ3NDEKTSV4RRFFQ69G5FAU", "\u06601ARZ3NDEKTSV4RRFFQ69G5FAV"]
)  # fmt: skip
def test_another_text_is_no_ulid(text: str) -> None:
    assert ulid_ms(text) is None
