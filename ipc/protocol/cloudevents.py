"""CloudEvents 1.0 as events of ours: its JSON format, and its binary mode over HTTP.

Sources: github.com/cloudevents/spec, cloudevents/spec.md, formats/json-format.md and bindings/http-protocol-binding.md.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

import msgspec
from msgspec import Raw

from ipc.protocol import codec
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError
from ipc.protocol.messages import MAX_ID_LENGTH, Emit
from ipc.protocol.patterns import check_event

SPEC_VERSION: Final = "1.0"
TARGET: Final = "ipctarget"
"""Our extension attribute: the services that shall get the event, divided by commas."""

HEADER_PREFIX: Final = "ce-"
_REQUIRED: Final = ("specversion", "id", "source", "type")
_TEXTS: Final = frozenset({*_REQUIRED, "subject", "time", "datacontenttype", "dataschema", "traceparent", TARGET})
_NAME: Final = re.compile(r"[a-z0-9]+")
_TIME: Final = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)",
    re.ASCII | re.IGNORECASE,
)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])
_MAX_TRACEPARENT: Final = 64
_INT32: Final = 2**31

Attribute = str | bool | int


@dataclass(frozen=True, slots=True)
class MediaType:
    """A ``Content-Type``: its type and subtype in lower case, and its charset if it has one."""

    name: str
    charset: str = ""

    @classmethod
    def of(cls, text: str) -> "MediaType":
        """Take a header's value apart (RFC 9110 section 8.3); other parameters do not matter here."""
        name, *parameters = text.split(";")
        charset = ""
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip().lower() == "charset":
                charset = value.strip().strip('"').lower()
        return cls(name.strip().lower(), charset)

    @property
    def is_json(self) -> bool:
        """Whether it says that a body is JSON (RFC 6839 section 3.1)."""
        return self.name.endswith(("/json", "+json"))

    @property
    def is_utf8(self) -> bool:
        """Whether text of it can be read as UTF-8."""
        return self.charset in {"", "utf-8", "utf8", "us-ascii"}


def emit_of_json(raw: bytes) -> Emit:
    """Return the event of one JSON object, as it is in structured mode and in a batch.

    Raises:
        BadMessageError: it is not a CloudEvent, or its type cannot be a name of ours.

    """
    try:
        members = _MEMBERS.decode(raw)
    except msgspec.ValidationError as error:
        raise BadMessageError(f"a CloudEvent is a JSON object: {error}") from error
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise BadMessageError(f"the event is not JSON: {error}", code=ErrorCode.INVALID_JSON) from error
    data, encoded = members.pop("data", None), members.pop("data_base64", None)
    attributes = {name: _attribute(name, member) for name, member in members.items()}
    present = {name: value for name, value in attributes.items() if value is not None}
    if encoded is None:
        return _emit(present, Raw(b"null") if data is None else data)
    if data is not None:
        raise BadMessageError("a CloudEvent has data or data_base64, not both")
    return _emit_bytes(present, _unbase64(encoded), declared=str(present.get("datacontenttype", "")))


def emit_of_http(headers: Mapping[str, str], body: bytes) -> Emit:
    """Return the event of a request in binary mode: attributes in ``ce-`` headers, the data as its body.

    Raises:
        BadMessageError: it is not a CloudEvent, or its type cannot be a name of ours.

    """
    attributes: dict[str, Attribute] = {}
    for header, value in headers.items():
        if header.lower().startswith(HEADER_PREFIX):
            name = header[len(HEADER_PREFIX) :].lower()
            _check_name(name)
            attributes[name] = _header_text(name, value)
    if "datacontenttype" in attributes:
        raise BadMessageError("in binary mode Content-Type is the datacontenttype: leave ce-datacontenttype out")
    declared = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    if declared:
        attributes["datacontenttype"] = declared
    if not body:
        return _emit(attributes, Raw(b"null"))
    return _emit_bytes(attributes, body, declared=declared)


def _emit_bytes(attributes: dict[str, Attribute], data: bytes, *, declared: str) -> Emit:
    """Return an event whose data came as bytes: JSON and text as what they are, all else in base64."""
    media_type = MediaType.of(declared)
    if media_type.is_json and media_type.is_utf8:
        return _emit(attributes, Raw(data))
    if media_type.name.startswith("text/") and media_type.is_utf8:
        try:
            return _emit(attributes, Raw(codec.encode_json(data.decode()).encode()))
        except UnicodeDecodeError as error:
            raise BadMessageError(f"the data is not UTF-8: {error}", code=ErrorCode.INVALID_DATA) from error
    text = base64.b64encode(data).decode()
    return _emit({**attributes, "datacontentencoding": "base64"}, Raw(codec.encode_json(text).encode()))


def _emit(attributes: dict[str, Attribute], data: Raw) -> Emit:
    _check_attributes(attributes)
    source, own_id = str(attributes["source"]), str(attributes["id"])
    travelling = {name: value for name, value in attributes.items() if name not in {"traceparent", TARGET}}
    meta = codec.encode_json({"cloudevents": travelling})
    return Emit(
        id=event_id(source, own_id),
        event=event_name(str(attributes["type"])),
        data=data,
        target=_target(attributes.get(TARGET)),
        meta=Raw(meta.encode()),
        traceparent=_traceparent(attributes.get("traceparent")),
    )


def event_name(ce_type: str) -> str:
    """Return the name of an event for a ``type``: itself, or with its last dot as our colon.

    Raises:
        BadMessageError: INVALID_EVENT, it is no name either way.

    """
    return check_event(ce_type if ":" in ce_type else ":".join(ce_type.rsplit(".", 1)))


def event_id(source: str, own_id: str) -> str:
    """Return one id for the two texts that tell CloudEvents apart: ``source`` and ``id``.

    Events of two sources may have one id, and must not count as a repeat, so the source is in it as a hash.
    """
    digest = hashlib.sha256(f"{source}\0{own_id}".encode()).hexdigest()
    readable = f"{own_id}@{digest[:12]}"
    return readable if len(readable) <= MAX_ID_LENGTH else digest


def _attribute(name: str, raw: Raw) -> Attribute | None:
    """Return the value of a context attribute; null stands for none."""
    _check_name(name)
    try:
        value: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise BadMessageError(f"{name} is not JSON: {error}", code=ErrorCode.INVALID_JSON) from error
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and not -_INT32 <= value < _INT32:
        raise BadMessageError(f"{name}: a CloudEvents integer has 32 bits; send it as a string")
    if value is not None and not isinstance(value, str | bool | int):
        raise BadMessageError(f"{name}: an attribute is a string, an integer or a boolean, not {str(value)[:64]!r}")
    return value


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise BadMessageError(f"{name[:64]!r} is no name of a CloudEvents attribute: it has a-z and 0-9 only")


def _check_attributes(attributes: Mapping[str, Attribute]) -> None:
    codec.encode_json(attributes)
    missing = [name for name in _REQUIRED if name not in attributes]
    if missing:
        raise BadMessageError(f"a CloudEvent needs {', '.join(missing)}", details={"missing": missing})
    for name in _TEXTS & attributes.keys():
        if not isinstance(attributes[name], str) or not attributes[name]:
            raise BadMessageError(f"{name} is text that is not empty, not {attributes[name]!r}")
    if attributes["specversion"] != SPEC_VERSION:
        raise BadMessageError(f"specversion is {SPEC_VERSION!r} here, not {str(attributes['specversion'])[:64]!r}")
    if "time" in attributes and not _TIME.fullmatch(str(attributes["time"])):
        raise BadMessageError(f"time is as in RFC 3339, such as 2026-11-23T14:30:00Z, not {attributes['time']!r:.80}")


def _target(names: Attribute | None) -> str | list[str] | None:
    if names is None:
        return None
    several = [name.strip() for name in str(names).split(",")]
    return several[0] if len(several) == 1 else several


def _traceparent(value: Attribute | None) -> str | None:
    if value is None:
        return None
    if len(str(value)) > _MAX_TRACEPARENT:
        raise BadMessageError(f"traceparent has at most {_MAX_TRACEPARENT} characters")
    return str(value)


def _unbase64(raw: Raw) -> bytes:
    try:
        return base64.b64decode(msgspec.json.decode(raw, type=str), validate=True)
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise BadMessageError(f"data_base64 is not base64: {error}", code=ErrorCode.INVALID_DATA) from error


def _header_text(name: str, value: str) -> str:
    """Return what a header says: quotes off, then percent-decoded as UTF-8 (HTTP binding, section 3.1.3.2)."""
    text = value.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise BadMessageError(f"the header ce-{name} is not percent-encoded UTF-8") from error
