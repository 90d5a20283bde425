"""What the tests of groups share: hubs in a rig."""

from typing import Any

import pytest

from tests.ipc.conftest import MakeHub
from tests.ipc.durable import Wound
from tests.ipc.hub.rigs import MakeRig, Rig


@pytest.fixture
def make_rig(make_hub: MakeHub) -> MakeRig:
    async def make(**options: Any) -> Rig:
        clock = Wound()
        return Rig(await make_hub(clock=clock, **options), clock)

    return make
