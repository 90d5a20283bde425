"""What the console costs is measured with feeds that say something, and with none."""

import pytest

from bench.feeds import measure


@pytest.mark.processes
async def test_a_round_without_and_with_a_browser() -> None:
    found = await measure(browsers=1, rounds=1, seconds=1.5)
    without, having = found[0][0], found[1][0]
    assert (without.events, having.events > 0) == (0, True)
    assert min(without.rate, without.cpu_us, having.rate, having.cpu_us) > 0
