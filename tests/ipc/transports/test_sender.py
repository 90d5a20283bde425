"""What a link sends: how long it waits before it tries again."""

from ipc.transports.sender import FIRST_BACKOFF_S, MAX_BACKOFF_S, backoff_s


def test_the_backoff_grows_to_its_bound_with_full_jitter() -> None:
    for attempt in range(40):
        ceiling = min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2**attempt)
        delays = [backoff_s(attempt) for _ in range(200)]
        assert 0 <= min(delays) < ceiling / 4
        assert ceiling * 3 / 4 < max(delays) <= ceiling
