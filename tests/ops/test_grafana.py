"""The dashboard asks for what processes print, and says of each panel what it means."""

import json
import re
from typing import Any

from tests.ops.conftest import read

DASHBOARD: dict[str, Any] = json.loads(read("grafana/exprsn-ipc.json"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
_NAME = re.compile(r"\b(?:(?:ipc|process|python)_\w+|up\b)")


def test_each_query_asks_for_what_processes_print(metric_names: set[str]) -> None:
    for expression in EXPRESSIONS:
        names = set(_NAME.findall(expression))
        assert names, expression
        assert names <= metric_names, expression


def test_counters_are_asked_for_their_rates() -> None:
    for expression in EXPRESSIONS:
        for found in re.finditer(r"ipc_\w+_(?:total|bucket)\b", expression):
            assert expression[: found.start()].endswith("rate("), expression


def test_each_panel_says_what_it_means_and_none_covers_another() -> None:
    for panel in PANELS:
        assert panel["title"]
        assert panel["description"].endswith(".")
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, panel["title"]
                taken.add((x, y))
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
