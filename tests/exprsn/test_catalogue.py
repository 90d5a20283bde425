"""The catalogue has the services that the protocol knows, and the page of the services shows them."""

from exprsn.catalogue import CATALOGUE, PORTS
from ipc.protocol.services import SERVICES
from tests.markdown import ROOT, codes, table

PAGE = ROOT / "docs" / "reference" / "services.md"
ROWS = table(PAGE, "name", "full name", "namespace at the bridge", "port", "in this project")


def test_it_has_exactly_the_services_that_the_protocol_knows_each_on_a_port_of_its_own() -> None:
    assert sorted(service.full_name for service in CATALOGUE) == sorted(SERVICES)
    assert len(set(PORTS.values())) == len(CATALOGUE)


def test_the_page_of_the_services_has_each_with_its_names_and_its_port() -> None:
    shown = [(*codes(" ".join([*row.values()][:3])), int(row["port"])) for row in ROWS]
    assert shown == [(each.name, each.full_name, each.namespace, each.port) for each in CATALOGUE]


def test_the_page_of_the_services_names_every_sample() -> None:
    named = {codes(row["name"])[0]: codes(row["in this project"]) for row in ROWS}
    samples = {path.stem for path in (ROOT / "samples").glob("[a-z]*.py")}
    assert {name for name, files in named.items() if files == [f"samples/{name}.py"]} == samples & set(PORTS)
