"""Before something is done with all letters that match, it is said how many those are, and of which groups."""

import pytest
from redis.asyncio import Redis

from bridge.console.dead_letters import COUNT
from bridge.console.letter_extent import extent
from ipc.hub.hub import Hub
from tests.bridge.console.conftest import LogIn
from tests.bridge.console.mesh import HERALD, bury

COUNTS = [("herald", "notify", 2), ("herald", "push", 436), ("spark", "notify", 1)]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "all 439 dead letters of all groups"),
        ({"service": HERALD, "group": "notify"}, "2 dead letters of herald/notify"),
        ({"service": "exprsn-spark", "group": "notify"}, "1 dead letter of spark/notify"),
        ({"service": HERALD}, "438 dead letters of all groups of herald"),
        ({"group": "notify"}, "3 dead letters of groups named notify"),
        ({"service": HERALD, "group": "gone"}, "0 dead letters of herald/gone"),
    ],
)
def test_whole_groups_are_counted(asked: dict[str, str], said: str) -> None:
    assert extent(asked, COUNTS, shown=1, is_all=False) == said


@pytest.mark.parametrize(
    ("is_all", "said"),
    [
        (True, "2 dead letters of herald/push that match the filter"),
        (False, "at least 2 dead letters of herald/push that match the filter"),
    ],
)
def test_of_what_is_chosen_within_groups_only_the_page_is_known(is_all: bool, said: str) -> None:
    asked = {"service": HERALD, "group": "push", "error": "late"}
    assert extent(asked, COUNTS, shown=2, is_all=is_all) == said


async def test_the_page_asks_with_it(log_in: LogIn, hub: Hub, redis: Redis) -> None:
    client = await log_in("olga", "view_event", "redrive_deadletter", "discard_deadletter")
    for number in range(COUNT + 1):
        await bury(redis, number)
    page = (await client.get("/admin/console/dead-letters")).content.decode()
    assert f'data-ask="Discard all {COUNT + 1} dead letters of all groups for good?"' in page
    page = (await client.get("/admin/console/dead-letters", {"event": "post:*"})).content.decode()
    assert f'data-ask="Redrive at least {COUNT} dead letters of all groups that match the filter?"' in page
