"""What the samples say of their events holds for what they emit."""

from typing import Any

import pytest

from ipc import IPCWorker
from ipc.hub.schema_check import SchemaCheck
from samples import herald, moderator, spark
from tests.samples.conftest import Mesh


@pytest.mark.parametrize("worker", [herald.ipc, moderator.ipc, spark.ipc], ids=lambda worker: worker.service)
async def test_what_a_sample_reports_fits_what_it_has_declared(
    mesh: Mesh, post: dict[str, Any], worker: IPCWorker
) -> None:
    await mesh.attach(worker)
    event, data = await mesh.timeline.tell("post:created", post)
    check = SchemaCheck(worker._declared[event].schema)
    assert check.misfit(data) is None
    assert check.misfit({**data, "handledAt": "now"}) is not None
    (service,) = await worker.services(worker.service)
    assert [declared.event for declared in service.declares] == [event]
