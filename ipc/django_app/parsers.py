"""Reading the body of a request: UTF-8 JSON of a bounded size and depth."""

# ruff: noqa: ARG002 - the signature is that of DRF

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from ipc.django_app.conf import conf
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError


class BoundedJSONParser(JSONParser):
    """DRF's parser reads a body of any size; this one reads no more than a frame may have."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the value.

        Raises:
            ParseError: it is not JSON in UTF-8 (RFC 8259), or nested too deep.
            BadMessageError: FRAME_TOO_LARGE.

        """
        limit = conf.limits().frame_bytes
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise BadMessageError(
                f"a request's body has at most {limit} bytes", code=ErrorCode.FRAME_TOO_LARGE, details={"limit": limit}
            )
        try:
            return json.loads(raw.decode(), parse_constant=_refuse_constant)
        except RecursionError as error:
            raise ParseError("the body is nested too deep") from error
        except ValueError as error:
            raise ParseError(f"the body is not JSON: {error}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
