"""The golden wire messages of tests/vectors: what is on the wire today must be understood tomorrow."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ipc.protocol import codec, messages
from ipc.protocol.limits import Limits
from ipc.protocol.messages import ClientMessage, ServerMessage

VECTORS = Path(__file__).parents[2] / "vectors"


def vectors(name: str) -> list[Any]:
    found = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return [pytest.param(vector, id=vector["what"]) for vector in found]


def members(message: msgspec.Struct) -> dict[str, Any]:
    """Return the members of a message that say something, with raw JSON parsed."""
    values = {name: getattr(message, name) for name in message.__struct_fields__}
    return {
        name: json.loads(bytes(value)) if isinstance(value, msgspec.Raw) else value
        for name, value in values.items()
        if value is not msgspec.UNSET
    }


@pytest.mark.parametrize("vector", vectors("client"))
def test_what_clients_send(vector: dict[str, Any]) -> None:
    """The wire text gives the message, and the message gives the wire text."""
    (message,) = codec.decode_client_frame(vector["wire"], Limits())
    assert isinstance(message, ClientMessage)
    assert type(message).__name__ == vector["struct"]
    said = members(message)
    assert {name: said[name] for name in vector["members"]} == vector["members"]
    assert codec.encode(message) == vector.get("again", vector["wire"])


@pytest.mark.parametrize("vector", vectors("server"))
def test_what_the_bridge_sends(vector: dict[str, Any]) -> None:
    (message,) = codec.decode_server_frame(vector["wire"])
    assert type(message).__name__ == vector["struct"]
    said = members(message)
    assert {name: said[name] for name in vector["members"]} == vector["members"]
    assert codec.encode(message) == vector["wire"]


@pytest.mark.parametrize("vector", vectors("refused"))
def test_what_is_refused(vector: dict[str, Any]) -> None:
    """The whole frame, or one message of it, with the code that the protocol documents."""
    try:
        (refused,) = codec.decode_client_frame(vector["wire"], Limits())
    except codec.FrameError as error:
        assert (vector["scope"], vector["code"]) == ("frame", error.code.value)  # noqa: PT017 - one of two outcomes
        return
    assert isinstance(refused, codec.Refused)
    assert (vector["scope"], vector["code"], vector["id"]) == ("message", refused.error.code.value, refused.id)


@pytest.mark.parametrize(("base", "name"), [(ClientMessage, "client"), (ServerMessage, "server")])
def test_every_message_has_a_vector(base: type[msgspec.Struct], name: str) -> None:
    shown = {param.values[0]["struct"] for param in vectors(name)}
    assert shown == {struct.__name__ for struct in base.__subclasses__() if struct.__module__ == messages.__name__}


@pytest.mark.parametrize("message", [messages.Auth(id="1", token="eyJ.a.b"), messages.State(op="get", token="eyJ.a.b")])
def test_a_message_with_a_token_does_not_show_it(message: ClientMessage) -> None:
    assert "eyJ" not in f"{message!r} {[message]} {message}"
