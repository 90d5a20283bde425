"""The alerts say what they should of recorded series, and of nothing that no process prints."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.ops.conftest import OPS, read

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs promtool, of Debian's package prometheus"
)
ALERTS = re.findall(r"- alert: (\w+)", read("prometheus/alerts.yml"))


@needs_promtool
@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "rules", "alerts.yml"],
        ["check", "config", "--syntax-only", "prometheus.yml"],
        ["test", "rules", "alerts_test.yml"],
    ],
    ids=" ".join,
)
def test_promtool_is_content(arguments: list[str]) -> None:
    done = subprocess.run(
        ["promtool", *arguments], cwd=OPS / "prometheus", capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_promtool_finds_what_is_wrong(tmp_path: Path) -> None:
    """Or the test above would prove nothing."""
    right = read("prometheus/alerts.yml")
    wrong = right.replace("ipc_log_lag_seconds > 5", "ipc_log_lag_seconds > 50")
    assert wrong != right
    (tmp_path / "alerts.yml").write_text(wrong, encoding="utf-8")
    shutil.copy(OPS / "prometheus" / "alerts_test.yml", tmp_path)
    done = subprocess.run(
        ["promtool", "test", "rules", "alerts_test.yml"], cwd=tmp_path, capture_output=True, timeout=60, check=False
    )
    assert done.returncode != 0


def test_each_alert_is_seen_to_come_and_to_stay_away() -> None:
    tested = re.findall(
        r"alertname: (\w+)(?:, |\n\s+)eval_time: \w+(?:, |\n\s+)exp_alerts:( \[\])?", read("prometheus/alerts_test.yml")
    )
    assert {name for name, is_empty in tested if not is_empty} == set(ALERTS)
    assert {name for name, is_empty in tested if is_empty} >= set(ALERTS) - {"AppendsFail"}


def test_each_alert_says_what_to_do() -> None:
    rules = read("prometheus/alerts.yml").split("- alert: ")[1:]
    for rule in rules:
        assert re.search(r"severity: (critical|warning)", rule)
        assert "summary: " in rule
        assert "action: " in rule


def test_alerts_ask_for_what_processes_print(metric_names: set[str]) -> None:
    asked = set(re.findall(r"\b(?:ipc|process|python)_\w+", read("prometheus/alerts.yml")))
    assert asked
    assert asked <= metric_names
