"""The live feed behind each server: it streams, and a server that stops does not wait for who listens."""

import signal
from itertools import islice

import httpx
import pytest

from exprsn.embedded import EmbeddedValkey
from tests.bridge.conftest import MakeBridge
from tests.logins import people
from tests.servers import STOP_TIMEOUT_S, ServerProcess

pytestmark = pytest.mark.processes
PATH = "/admin/console/feed?about=overview"
ASKS_REDIS = "/admin/console/explorer/feed"
"""Each of these asks for itself; what the others say is put together once a second."""
LEFT = 100
UNTIL_KILLED = 8
"""How many events, one a second, a feed has said when daphne has ended by force what does not end by itself."""


def leave_some(client: httpx.Client, url: str) -> None:
    """Listen and go away at the first word, which for some is while the server sends its question to Redis."""
    for _ in range(LEFT):
        with client.stream("GET", url, headers={"Accept": "text/event-stream"}) as feed:
            assert next(feed.iter_lines()) == "retry: 2000"


def test_it_streams_until_the_server_stops(make_bridge: MakeBridge, own_valkey: EmbeddedValkey) -> None:
    bridge = make_bridge(own_valkey.url)
    cookies = {"__Host-sessionid": people(bridge)["viewer"]}
    headers = {"Accept": "text/event-stream"}
    with bridge:
        with (
            httpx.Client(verify=bridge.trust, timeout=15, trust_env=False, cookies=cookies) as client,
            client.stream("GET", bridge.url + PATH, headers=headers) as feed,
        ):
            is_daphne = make_bridge.kind == "daphne"  # type: ignore[attr-defined]  # as the fixture makes it
            if is_daphne:
                leave_some(client, bridge.url + ASKS_REDIS)
            assert feed.status_code == 200
            lines = feed.iter_lines()
            said = [next(lines) for _ in range(6)]
            assert said[0] == "retry: 2000"
            assert sum(line.startswith("data: {") for line in said) == 2
            if is_daphne:
                told = (line for line in lines if line.startswith("data: {"))
                assert len(list(islice(told, UNTIL_KILLED))) == UNTIL_KILLED
                assert "took too long to shut down" not in bridge.output()
            bridge.process.send_signal(signal.SIGTERM)
            list(lines)
        # A server waits for its clients to close, up to the half minute of asyncio's TLS.
        assert bridge.process.wait(STOP_TIMEOUT_S) in {0, -signal.SIGTERM}
        assert "Traceback" not in bridge.output()


def test_who_is_not_logged_in_is_refused_and_no_stream_begun(bridge: ServerProcess) -> None:
    answer = bridge.get(PATH, headers={"Accept": "text/event-stream"})
    assert (answer.status_code, answer.json()["error"]) == (403, "FORBIDDEN")
