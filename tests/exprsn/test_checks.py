"""A production machine is told what its other users could read."""

from pathlib import Path

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from exprsn.checks import check_directory


@pytest.mark.parametrize(("mode", "ids"), [(0o700, []), (0o750, ["exprsn.W001"]), (0o701, ["exprsn.W001"])])
def test_a_directory_that_others_may_enter_is_warned_of(
    settings: Settings, tmp_path: Path, mode: int, ids: list[str]
) -> None:
    """Only where it is asked about deployment, as `check --deploy` does."""
    settings.VAR_DIR = tmp_path / "var"
    settings.VAR_DIR.mkdir(mode=mode)
    settings.VAR_DIR.chmod(mode)
    assert [found.id for found in check_directory()] == ids
    told = [[found.id for found in run_checks(include_deployment_checks=deploys)] for deploys in (True, False)]
    assert ["exprsn.W001" in each for each in told] == [bool(ids), False]


def test_one_that_is_not_there_yet_is_open_to_nobody(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path / "nowhere"
    assert check_directory() == []
