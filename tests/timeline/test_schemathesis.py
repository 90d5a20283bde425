"""schemathesis at a real Timeline: what the schema says is what is done, and a stranger is told nothing."""

from collections.abc import Iterator

import pytest
import schemathesis

from exprsn.embedded import EmbeddedValkey
from tests import servers
from tests.openapi import Api, Asking, is_wanted
from tests.timeline.conftest import BYPASS

pytestmark = pytest.mark.processes
API = Api(
    "timeline",
    {
        # No schema can say which cursors were given out; see `send`.
        "post-list": {
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400", "401", "403", "404", "409"]}}
        },
    },
)
STRANGE = Api("timeline", by_chance=False)
# No id of a post that is there is made up.
NEVER_DONE = {name: {404} for name in API.operations if name not in {"post-list", "post-create", "health"}}


@pytest.fixture(scope="module")
def asking(valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    """A client at a Timeline on a development machine."""
    certs_dir = servers.certificates(tmp_path_factory.mktemp("schema-certs"))
    with servers.timeline(valkey.url, certs_dir, tmp_path_factory.mktemp("schema-timeline")) as server:
        client = Asking(server)
        yield client
        client.close()
        assert "Traceback" not in server.output()


@pytest.mark.parametrize("operation", API.operations)
def test_what_is_described_is_what_is_done(operation: str, asking: Asking) -> None:
    statuses: set[int] = set()

    def send(case: schemathesis.Case) -> None:
        response = asking.ask(case, BYPASS)
        statuses.add(response.status_code)
        if is_wanted(case) and response.status_code == 400:
            assert list(response.json()["details"]) == ["cursor"]

    API.exercise(operation, send)
    assert statuses & {200, 201, *NEVER_DONE.get(operation, ())}, "nothing that was asked was done"


@pytest.mark.parametrize("operation", [each for each in API.operations if each != "health"])
def test_a_stranger_is_told_nothing(operation: str, asking: Asking) -> None:
    """An id that is none makes no address (404), and daphne itself refuses a multipart body that is none (400)."""

    def send(case: schemathesis.Case) -> None:
        assert asking.look(case) in {401, 405, *(() if is_wanted(case) else (400, 404))}

    STRANGE.exercise(operation, send)
