"""What all tokens share: a header that brings nothing along, and a time in which they hold."""

import json
from typing import Any

import pytest

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import TokenError
from ipc.protocol.signed_tokens import LEEWAY_S, MAX_TOKEN_BYTES, check_times, claimed_algorithm, header_of
from tests.bridge.tokens import encoded

NOW_S = 1_800_000_000.0


def token(header: Any) -> str:
    return f"{encoded(header)}.e30.AA"


def test_a_header_of_ours_is_read() -> None:
    header = {"alg": "RS256", "typ": "JWT", "kid": "a"}
    assert header_of(token(header)) == header
    assert claimed_algorithm(token(header)) == "RS256"
    assert claimed_algorithm(token({"typ": "JWT"})) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a.b",
        "a.b.c.d",
        "..",
        token({"alg": "RS256"}) + "\n",
        token({"alg": "RS256"}) + "=",
        " " + token({"alg": "RS256"}),
        token(b"no json"),
        token(b"\xff"),
        token(b"[" * 5_000),
        token([]),
        token("alg"),
        token(None),
        token({"alg": None}),
        token({"alg": ["RS256"]}),
        token({"alg": "RS256", "kid": 1}),
        token({"alg": "RS256", "jwk": "x"}),
        token({"alg": "RS256", "jku": "https://evil.example"}),
        token({"alg": "RS256", "x5u": "https://evil.example"}),
        token({"alg": "RS256", "x5c": "x"}),
        token({"alg": "RS256", "crit": "exp"}),
        token({"alg": "RS256", "b64": "x"}),
        token({"alg": "RS256", "zip": "DEF"}),
        token({"alg": "RS256", "cty": "JWT"}),
        "a" * MAX_TOKEN_BYTES + ".b.c",
    ],
    ids=range(26),
)
def test_what_is_none_or_brings_something_along_is_refused(text: str) -> None:
    with pytest.raises(TokenError) as refused:
        header_of(text)
    assert refused.value.code is ErrorCode.TOKEN_INVALID
    assert claimed_algorithm(text) is None
    assert json.dumps(text)[1:-1] not in refused.value.message or len(text) < 3


@pytest.mark.parametrize(
    ("issued_s", "expires_s", "code"),
    [
        (NOW_S, NOW_S + 1, None),
        (NOW_S + LEEWAY_S, NOW_S + 60, None),
        (NOW_S + LEEWAY_S + 1, NOW_S + 60, ErrorCode.TOKEN_NOT_YET_VALID),
        (NOW_S - 60, NOW_S, ErrorCode.TOKEN_EXPIRED),
        (NOW_S - 60, NOW_S - 1, ErrorCode.TOKEN_EXPIRED),
    ],
)
def test_a_token_holds_from_when_it_was_issued_until_it_expires(
    issued_s: float, expires_s: float, code: ErrorCode | None
) -> None:
    found = None
    try:
        check_times(issued_s=issued_s, expires_s=expires_s, now_s=NOW_S)
    except TokenError as error:
        found = error.code
    assert found is code
