"""CloudEvents 1.0 become events of ours, or are refused with what is wrong: its JSON format and binary mode."""

import base64
import hashlib
import json
from typing import Any

import msgspec
import pytest

from ipc.protocol.cloudevents import MediaType, emit_of_http, emit_of_json, event_id, event_name
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError
from ipc.protocol.messages import Emit

LEAST: dict[str, Any] = {"specversion": "1.0", "type": "com.example.order.created", "source": "/orders", "id": "A1"}
HEADERS = {f"Ce-{name.title()}": value for name, value in LEAST.items()}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def of_json(**members: Any) -> Emit:
    return emit_of_json(json.dumps({**LEAST, **members}).encode())


def meta_of(emit: Emit) -> dict[str, Any]:
    assert isinstance(emit.meta, msgspec.Raw)
    return dict(msgspec.json.decode(emit.meta)["cloudevents"])


def data_of(emit: Emit) -> Any:
    return msgspec.json.decode(emit.data)


def test_the_least_that_is_one() -> None:
    emit = of_json()
    digest = hashlib.sha256(b"/orders\0A1").hexdigest()
    assert (emit.event, emit.id, emit.target, emit.traceparent) == (
        "com.example.order:created", f"A1@{digest[:12]}", None, None,
    )  # fmt: skip
    assert (data_of(emit), meta_of(emit)) == (None, LEAST)


def test_all_attributes_travel_in_meta_and_three_become_members() -> None:
    attributes = {
        "subject": "orders/A1",
        "time": "2026-11-23T14:30:00.123456789+01:00",
        "datacontenttype": "application/json",
        "dataschema": "https://example.com/schema",
        "comexampleint": -(2**31),
        "comexamplebool": False,
        "comexampletext": "é",
    }
    emit = of_json(**attributes, traceparent=TRACE, ipctarget="herald, pulse", nothing=None, data={"a": [1.0]})
    assert meta_of(emit) == {**LEAST, **attributes}
    assert (emit.traceparent, emit.target, bytes(emit.data)) == (TRACE, ["herald", "pulse"], b'{"a": [1.0]}')
    assert of_json(ipctarget="broadcast").target == "broadcast"


@pytest.mark.parametrize(
    ("members", "data"),
    [
        ({"data": None}, None),
        ({"data": "<much wow='xml'/>", "datacontenttype": "application/xml"}, "<much wow='xml'/>"),
        ({"data": 5}, 5),
        ({"data_base64": "eyJhIjoxfQ==", "datacontenttype": "application/json"}, {"a": 1}),
        ({"data_base64": "aMOk", "datacontenttype": "text/plain; charset=utf-8"}, "hä"),
        ({"data_base64": "AAEC"}, "AAEC"),
        ({"data_base64": "AAEC", "datacontenttype": "image/png"}, "AAEC"),
    ],
)
def test_data_is_json_text_or_base64(members: dict[str, Any], data: Any) -> None:
    emit = of_json(**members)
    assert data_of(emit) == data
    is_encoded = data == "AAEC"
    assert meta_of(emit).get("datacontentencoding") == ("base64" if is_encoded else None)


def test_an_integer_may_have_a_fraction_that_is_none() -> None:
    """``1.0`` is an integer in JSON Schema, and so to whoever checks events by one."""
    assert meta_of(of_json(ext=7.0))["ext"] == 7


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"", ErrorCode.INVALID_JSON, "not JSON"),
        (b"{", ErrorCode.INVALID_JSON, "not JSON"),
        (b"[]", ErrorCode.INVALID_MESSAGE, "a JSON object"),
        (b"5", ErrorCode.INVALID_MESSAGE, "a JSON object"),
        (b"\xff", ErrorCode.INVALID_JSON, "not JSON"),
        (b'{"a":' * 20_000, ErrorCode.INVALID_JSON, "not JSON"),
    ],
)
def test_what_is_no_event_at_all_is_refused(body: bytes, code: ErrorCode, words: str) -> None:
    with pytest.raises(BadMessageError, match=words) as refused:
        emit_of_json(body)
    assert refused.value.code is code


@pytest.mark.parametrize(
    ("members", "words"),
    [
        *(({name: None}, f"needs {name}") for name in LEAST),
        *(({name: ""}, f"{name} is text") for name in LEAST),
        *(({name: 5}, f"{name} is text") for name in (*LEAST, "subject", "time", "datacontenttype", "ipctarget")),
        ({"specversion": "0.3"}, "specversion is '1.0'"),
        ({"specversion": "1.1"}, "specversion is '1.0'"),
        ({"time": "yesterday"}, "RFC 3339"),
        ({"time": "2026-13-01T00:00:00Z"}, "RFC 3339"),
        ({"time": "2026-11-23 14:30:00Z"}, "RFC 3339"),
        ({"Subject": "x"}, "no name of a CloudEvents attribute"),
        ({"com_example": "x"}, "no name of a CloudEvents attribute"),
        ({"": "x"}, "no name of a CloudEvents attribute"),
        ({"ext": {"a": 1}}, "a string, an integer or a boolean"),
        ({"ext": [1]}, "a string, an integer or a boolean"),
        ({"ext": 1.5}, "a string, an integer or a boolean"),
        ({"ext": 2**31}, "32 bits"),
        ({"data": 1, "data_base64": "AA=="}, "not both"),
        ({"data_base64": "A"}, "not base64"),
        ({"data_base64": "A A="}, "not base64"),
        ({"data_base64": 5}, "not base64"),
        ({"traceparent": "0" * 65}, "at most 64"),
        ({"type": "created"}, "not an event name"),
        ({"type": "a b:c"}, "not an event name"),
        ({"type": "x" * 200}, "not an event name"),
        ({"id": "\ud800"}, "no JSON form|not JSON"),
    ],
)
def test_what_is_wrong_is_said(members: dict[str, Any], words: str) -> None:
    with pytest.raises(BadMessageError, match=words):
        of_json(**members)


def test_text_that_says_it_is_utf8_and_is_not_is_refused() -> None:
    with pytest.raises(BadMessageError, match="not UTF-8"):
        of_json(data_base64=base64.b64encode(b"\xff").decode(), datacontenttype="text/plain")


@pytest.mark.parametrize(
    ("ce_type", "name"),
    [("post:created", "post:created"), ("a.b:c", "a.b:c"), ("com.github.push", "com.github:push"), ("a.b", "a:b")],
)
def test_a_type_is_a_name_of_ours_or_becomes_one(ce_type: str, name: str) -> None:
    assert event_name(ce_type) == name


def test_ids_of_two_sources_are_two_and_those_of_one_are_one() -> None:
    assert event_id("/a", "1") == event_id("/a", "1") != event_id("/b", "1")
    assert event_id("/a", "1b") != event_id("/a1", "b")
    assert len(event_id("/a", "x" * 51)) == len(event_id("/a", "x" * 5_000)) == 64
    assert event_id("/a", "x" * 52) != event_id("/a", "x" * 53)


# Binary mode


def test_attributes_come_in_headers() -> None:
    headers = {
        **HEADERS,
        "ce-subject": "caf%C3%A9%20%22x%22",
        "CE-Ext": '"a \\"b\\""',
        "Content-Type": "application/json",
    }
    emit = emit_of_http({**headers, "Host": "x", "ce-traceparent": TRACE, "ce-ipctarget": "herald"}, b'{"a": 1}')
    assert meta_of(emit) == {
        **LEAST, "subject": 'café "x"', "ext": 'a "b"', "datacontenttype": "application/json",
    }  # fmt: skip
    assert (data_of(emit), emit.target, emit.traceparent) == ({"a": 1}, "herald", TRACE)


@pytest.mark.parametrize(
    ("content_type", "body", "data"),
    [
        ("application/vnd.x+json; charset=UTF-8", b"[1]", [1]),
        ("text/plain", "hä".encode(), "hä"),
        ("text/plain; charset=iso-8859-1", b"\xe4", "5A=="),
        ("image/png", b"\x00", "AA=="),
        ("", b"\x00", "AA=="),
        ("application/json", b"", None),
        ("", b"", None),
    ],
)
def test_the_body_is_the_data(content_type: str, body: bytes, data: Any) -> None:
    headers = {**HEADERS, "Content-Type": content_type} if content_type else HEADERS
    emit = emit_of_http(headers, body)
    assert data_of(emit) == data
    assert meta_of(emit).get("datacontentencoding") == ("base64" if str(data).endswith("==") else None)


@pytest.mark.parametrize(
    ("header", "value", "words"),
    [
        ("ce-datacontenttype", "text/plain", "Content-Type"),
        ("ce-subject", "%FF", "percent-encoded"),
        ("ce-a-b", "x", "no name"),
        ("ce-", "x", "no name"),
        ("ce-time", "now", "RFC 3339"),
        ("Ce-Id", "", "id is text"),
    ],
)
def test_a_header_that_is_wrong_is_refused(header: str, value: str, words: str) -> None:
    with pytest.raises(BadMessageError, match=words):
        emit_of_http({**HEADERS, header: value}, b"")


def test_a_media_type_is_taken_apart() -> None:
    assert MediaType.of(' Application/JSON ; x=y; Charset="UTF-8"') == MediaType("application/json", "utf-8")
    assert MediaType.of("") == MediaType("")
