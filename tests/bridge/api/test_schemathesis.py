"""schemathesis at real bridges: what the schema says is what is done, for whoever has a token and whoever has none."""

from collections.abc import Iterator

import pytest
import schemathesis

from tests.bridge.tokens import signed
from tests.openapi import Api, Asking, is_wanted
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes
# What the bearer of a token may name is their own service; other names are tested in test_access.py.
OWN = {"query.service": "bridge"}
MAY_BE_WRONG = {
    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400", "401", "403", "404", "409"]}}
}
API = Api(
    "bridge",
    {
        # Nobody serves the resources that are made up here, and the answer to that is 503, or 504 in time.
        "call-post": {
            "parameters": OWN,
            "checks": {"not_a_server_error": {"expected-statuses": ["2xx", "4xx", "503", "504"]}},
        },
        "emit-post": {"parameters": OWN},
        "positions-get": {"parameters": OWN},
        # OpenAPI cannot say that a log and a position belong together, nor a place and the service that it is of.
        "event-get": MAY_BE_WRONG,
        "token-list-get": MAY_BE_WRONG,
        # Which of the conditions that a schema lets through make sense, no schema can say.
        "dead-letter-list-get": MAY_BE_WRONG,
        "dead-letter-redrive-post": MAY_BE_WRONG,
        "dead-letter-discard-post": MAY_BE_WRONG,
    },
)
STRANGE = Api("bridge", by_chance=False)
OPEN = {"health", "token-list-post"}
# No owner, no letter, no certificate and no long operation is made up.
NEVER_DONE = {"call-post": {503}, "dead-letter-get": {404}, "token-list-post": {401}, "operation-cancel-post": {404}}


@pytest.fixture(scope="module")
def asking(locked: ServerProcess) -> Iterator[Asking]:
    """A client at a bridge that wants a proof from everybody."""
    client = Asking(locked)
    yield client
    client.close()


@pytest.mark.parametrize("operation", API.operations)
def test_what_is_described_is_what_is_done(operation: str, asking: Asking) -> None:
    """With a new token each time, since one of the requests revokes those that there are."""
    statuses: set[int] = set()

    def send(case: schemathesis.Case) -> None:
        response = asking.ask(case, {"Authorization": f"Bearer {signed('bridge', '*')}"})
        statuses.add(response.status_code)
        if is_wanted(case) and response.status_code == 400 and operation.startswith("dead-letter"):
            assert response.json()["error"].startswith("JSONLEX_")

    API.exercise(operation, send)
    assert statuses & {200, *NEVER_DONE.get(operation, ())}, "nothing that was asked was done"


@pytest.mark.parametrize("operation", [each for each in API.operations if each not in OPEN])
def test_a_stranger_is_told_nothing(operation: str, asking: Asking) -> None:
    def send(case: schemathesis.Case) -> None:
        assert asking.look(case) in {401, 405}

    STRANGE.exercise(operation, send)
