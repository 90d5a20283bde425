"""What filtering may take of the event loop."""

import pytest

from ipc.hub.loop_time import LoopTime


async def test_room_is_there_again_with_the_next_turn_of_the_loop() -> None:
    time = LoopTime(live_s=1.0, behind_s=0.5)
    await time.room()
    time.use(0.7)
    assert time.live_s == pytest.approx(0.3)
    await time.room()
    assert time.live_s == 1.0
