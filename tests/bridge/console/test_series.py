"""The curves of the overview, over each span."""

import pytest

from ipc.django_app.runtime import Runtime
from tests.bridge.console.conftest import LogIn


@pytest.mark.parametrize(("span", "points"), [("5m", 290), ("1h", 350), ("24h", 280)])
async def test_each_span_has_its_points(log_in: LogIn, runtime: Runtime, span: str, points: int) -> None:
    client = await log_in("ann", "view_mesh")
    curves = (await client.get("/admin/console/series", {"span": span})).json()
    assert len(curves["atMs"]) == len(curves["emitted"]) > points
    assert curves["span"] == span
