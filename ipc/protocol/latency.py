"""How long things take, counted in buckets: a few numbers that can be added up over hubs and over time."""

import math
from collections.abc import Iterable, Mapping
from typing import Final

STEPS: Final = 4
LOWEST: Final = -4
BUCKETS: Final = 85
"""Four buckets for each doubling, from a sixteenth of a millisecond to two minutes."""

Buckets = Mapping[int, int]
"""From the number of a bucket to how many were in it; those with none are left out."""


def bucket_of(took_ms: float) -> int:
    """Return the number of the bucket for a time."""
    if took_ms <= 0:
        return 0
    return min(BUCKETS - 1, max(0, math.floor(math.log2(took_ms) * STEPS) - LOWEST * STEPS + 1))


def upper_ms(bucket: int) -> float:
    """Return the time that all in a bucket took at most, in milliseconds."""
    return float(2 ** ((bucket + LOWEST * STEPS) / STEPS))


def quantile_ms(buckets: Buckets, part: float) -> float:
    """Return the time that a part of all took at most, as far as buckets tell; 0 without any."""
    wanted = part * sum(buckets.values())
    seen = 0
    for bucket, count in sorted(buckets.items()):
        seen += count
        if count and seen >= wanted:
            return upper_ms(bucket)
    return 0.0


def summed(all_buckets: Iterable[Buckets]) -> dict[int, int]:
    """Return the buckets of all together."""
    total: dict[int, int] = {}
    for buckets in all_buckets:
        for bucket, count in buckets.items():
            total[bucket] = total.get(bucket, 0) + count
    return total


_OF_WHOLE_MS: Final = (bucket_of(0.9), *(bucket_of(took_ms) for took_ms in range(1, 4096)))


def bucket_of_whole(took_ms: int) -> int:
    """Return the bucket for the difference of two times in whole milliseconds, where 0 says: at most one."""
    return _OF_WHOLE_MS[took_ms] if 0 <= took_ms < len(_OF_WHOLE_MS) else bucket_of(max(0.9, took_ms))
