"""Identifiers that sort by time."""

import re
import time

from ipc.protocol import ids
from ipc.protocol.ids import new_ulid


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
