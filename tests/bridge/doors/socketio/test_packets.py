"""The text of packets: the protocol's own examples, and what is none."""

import pytest

from bridge.doors.socketio.packets import (
    MalformedError,
    Packet,
    answer_packet,
    attachments_of,
    event_packet,
    take_apart,
)


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ('2["hello",1]', Packet("/", None, '["hello",1]')),
        ('2/admin,["a"]', Packet("/admin", None, '["a"]')),
        ('2/admin,456["project:delete",123]', Packet("/admin", 456, '["project:delete",123]')),
        ("3/admin,456[]", Packet("/admin", 456, "[]")),
        ('2/ipc/a,["1[",{"b":"[,"}]', Packet("/ipc/a", None, '["1[",{"b":"[,"}]')),
    ],
)
def test_a_packet_has_its_parts(text: str, packet: Packet) -> None:
    assert take_apart(text) == packet


@pytest.mark.parametrize(
    "text",
    ["2", "2/", "2/ipc/a", "2/ipc/a,", '2/ipc/a,{"a":1}', "2/ipc/a,x[1]", "2/ipc/a,-1[1]", "2/ipc/a,٣[1]", "21.5[]",
     f"2/ipc/a,{'9' * 16}[]"],
)  # fmt: skip
def test_what_has_not_its_form_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError):
        take_apart(text)


def test_binary_packets_say_how_many_attachments_follow() -> None:
    text = '52-/admin,456["a",{"_placeholder":true,"num":0}]'
    assert attachments_of(text) == (2, Packet("/admin", 456, '["a",{"_placeholder":true,"num":0}]'))
    for wrong in ('5["a"]', '5x-["a"]', "5", '5-["a"]', f"5{'9' * 30}-[]"):
        with pytest.raises(MalformedError):
            attachments_of(wrong)


def test_packets_are_written_as_they_are_read() -> None:
    assert take_apart(event_packet("/ipc/a", '["b"]', 7)[1:]) == Packet("/ipc/a", 7, '["b"]')
    assert take_apart(event_packet("/ipc/a", '["b"]')[1:]) == Packet("/ipc/a", None, '["b"]')
    assert take_apart(answer_packet("/ipc/a", 7, "null")[1:]) == Packet("/ipc/a", 7, "[null]")
