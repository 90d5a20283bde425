"""The map: every service in its place, and what goes between them."""

from bridge.console.feed import TOPICS
from bridge.console.map import MAPS, SPANS
from ipc.django_app.runtime import Runtime
from ipc.protocol.services import SHORT_NAMES
from tests.bridge.console.conftest import LogIn
from tests.ipc.durable import eventually
from tests.ipc.members import Member


async def test_each_service_has_a_place_and_a_page(log_in: LogIn, runtime: Runtime) -> None:
    client = await log_in("ann", "view_mesh")
    nodes = (await client.get("/admin/console/map")).context["nodes"]
    assert [node["name"] for node in nodes] == list(SHORT_NAMES)
    for node in nodes:
        assert (await client.get(node["link"])).status_code == 200


async def test_it_is_for_who_may_see_the_mesh(log_in: LogIn, runtime: Runtime) -> None:
    assert (await (await log_in("bob", "view_audit")).get("/admin/console/map")).status_code == 403


async def test_each_span_has_a_button_and_a_feed(log_in: LogIn, runtime: Runtime) -> None:
    page = (await (await log_in("ann", "view_mesh")).get("/admin/console/map")).content.decode()
    assert {span.about for span in SPANS} == MAPS.keys() <= TOPICS.keys()
    assert page.count('aria-pressed="true"') == 1
    for span in SPANS:
        assert f'data-about="{span.about}"' in page


async def test_what_went_from_one_to_another_is_an_edge(runtime: Runtime) -> None:
    hub = runtime.hub
    assert hub is not None
    spark, herald = Member(hub, "spark"), Member(hub, "herald")
    await herald.subscribe("post:*")
    await spark.emit("post:created", 1)
    await herald.hears(1)

    async def is_drawn(about: str = "map") -> bool:
        edges = {(edge.source, edge.target): edge.events for edge in (await MAPS[about](hub))["edges"]}
        return edges == {("exprsn-spark", "exprsn-herald"): 1}

    # Longer spans hold for longer, so they are asked for when it is there; their steps are written every ten seconds.
    await eventually(is_drawn)
    await hub.statistics.close()
    assert [await is_drawn(about) for about in MAPS] == [True] * len(MAPS)
    for member in (spark, herald):
        await hub.detach(member.session)
