"""What the overview shows exists among the figures, and says what it means."""

import msgspec
import pytest

from bridge.console.panels import CHARTS, TILES, Chart, Tile
from ipc.protocol.statistics import Series

CURVES = {field.encode_name for field in msgspec.structs.fields(Series)}


@pytest.mark.parametrize("tile", TILES, ids=lambda tile: tile.key)
def test_a_tile(tile: Tile) -> None:
    assert set(tile.curves.split()) <= CURVES
    assert tile.meaning.endswith(".")


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.key)
def test_a_chart(chart: Chart) -> None:
    assert {line.curve for line in chart.lines} <= CURVES
    assert chart.meaning.endswith(".")


def test_no_key_is_there_twice() -> None:
    for panels in (TILES, CHARTS):
        assert len({each.key for each in panels}) == len(panels)
