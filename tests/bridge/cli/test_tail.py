"""`manage.py ipc tail` as a process, against live bridges: what it shows, and how it ends."""

from collections.abc import Callable
from typing import Any

import pytest

from exprsn.embedded import EmbeddedValkey
from ipc.protocol.ids import new_ulid
from tests import servers
from tests.bridge.cli.conftest import Tail, complaint
from tests.ports import free_port
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes
StartTail = Callable[..., Tail]


def emit(bridge: ServerProcess, event: str, data: Any = None, *, target: str = "live", service: str = "vault") -> str:
    response = bridge.request(
        "POST", f"/api/ipc/emit?service={service}", headers={"X-IPC-Request": "true"},
        json={"event": event, "data": data, "target": target},
    )  # fmt: skip
    assert response.status_code == 200, response.text
    return str(response.json()["data"]["position"])


def test_it_begins_in_the_past_goes_on_live_and_ends_with_ctrl_c(bridge: ServerProcess, tail: StartTail) -> None:
    name = f"t{new_ulid()}"
    first = emit(bridge, f"{name}:one", {"a": 1})
    emit(bridge, "other:one")
    watching = tail(bridge, "--service", "live", "--pattern", f"{name}:*", "--since", "10m", "--json")
    heard = watching.event()
    assert (heard["event"], heard["data"], heard["position"]) == (f"{name}:one", {"a": 1}, first)
    assert (heard["source"], heard["target"], heard["log"]) == ("exprsn-vault", "exprsn-live", "exprsn-live")
    second = emit(bridge, f"{name}:two")
    assert watching.event()["position"] == second
    assert (watching.interrupt(), watching.rest()) == (0, [])
    later = tail(bridge, "--service", "live", "--pattern", f"{name}:*", "--since", first, "--json")
    assert later.event()["position"] == second
    assert later.interrupt() == 0


def test_into_a_pipe_it_writes_whole_lines_without_colours(bridge: ServerProcess, tail: StartTail) -> None:
    name = f"t{new_ulid()}"
    position = emit(bridge, f"{name}:one", "\x1b[2J" + "x" * 500)
    watching = tail(bridge, "--service", "live", "--pattern", f"{name}:*", "--since", "1h")
    assert watching.line().startswith("── 20")
    line = watching.line()
    assert f'  {name}:one  vault → live          "\\u001b[2J{"x" * 500}"  {position}' in line
    assert "\x1b" not in line


def test_conditions_and_shapes_are_evaluated_at_the_bridge(bridge: ServerProcess, tail: StartTail) -> None:
    name = f"t{new_ulid()}"
    for number in (1, 2, 3):
        emit(bridge, f"{name}:one", {"n": number, "text": "x" * 100})
    where, select = '{"$gt": [{"$var": "data.n"}, 1]}', '{"n": {"$var": "data.n"}}'
    only = ["--pattern", f"{name}:*", "--where", where, "--select", select]
    watching = tail(bridge, "--service", "live", *only, "--since", "1h", "--json")
    assert [watching.event()["data"] for _ in range(2)] == [{"n": 2}, {"n": 3}]


def test_it_goes_on_over_a_restart_of_the_bridge(
    own_valkey: EmbeddedValkey, certs_dir: Any, tmp_path: Any, tail: StartTail
) -> None:
    with servers.bridge("daphne", own_valkey.url, certs_dir, tmp_path / "bridge") as bridge:
        watching = tail(bridge, "--service", "live", "--pattern", "a:*", "--since", "1h", "--json")
        emit(bridge, "a:one")
        first = watching.event()
        bridge.terminate()
        bridge.start()
        positions = [emit(bridge, f"a:{number}") for number in range(3)]
        assert [watching.event()["position"] for _ in range(3)] == positions
        assert first["position"] not in positions
        assert "closed" in watching.note()
        assert watching.interrupt() == 0
        assert watching.rest()[-1] == "-- connected again, and going on from where it was"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--pattern", "a b"], "'a b' is not an event pattern"),
        (["--since", "soon"], "'soon' is no moment"),
        (["--where", "{"], "where is not JSON"),
        (["--where", '{"$nothing": 1}'], "$nothing"),
        (["--where", "@/nowhere.json"], "/nowhere.json cannot be read"),
        (["--service", "nobody"], "there is no service 'nobody'"),
        (["--url", "localhost"], "is no address of a bridge"),
    ],
)
def test_what_is_wrong_is_one_sentence(bridge: ServerProcess, arguments: list[str], words: str) -> None:
    told, code = complaint(bridge, "tail", "--url", bridge.url, *arguments)
    assert (words in told, code) == (True, 1), told


def test_a_bridge_that_is_not_there_is_no_wait_without_a_word(bridge: ServerProcess) -> None:
    told, code = complaint(bridge, "tail", "--url", f"https://localhost:{free_port()}", "--since", "1h")
    assert ("connection refused" in told, code) == (True, 75)
