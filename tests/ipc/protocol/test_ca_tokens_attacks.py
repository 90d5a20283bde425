"""What somebody tries who has no CA token, or one that says too little: none of it is taken for the CA's word."""

import hashlib
import hmac
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.utils import der_to_raw_signature

from ipc.protocol.ca_tokens import CAKey, check_claims, sign
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import TokenError
from ipc.protocol.ids import new_ulid
from ipc.protocol.tokens import Claims, TokenKeys
from tests.bridge.tokens import encoded
from tests.ipc.protocol.authorities import KEYS, NOW_S, P256, P384, RSA, claims, signed

CA = CAKey.of(P256.public_key())
GOOD = sign(claims(), P256)
SECRET = "a key of these tests 0123456789 abcdef"


def refusal(token: str, key: CAKey = CA) -> TokenError:
    with pytest.raises(TokenError) as refused:
        check_claims(key.verify(token), now_s=NOW_S)
    assert token not in refused.value.message
    return refused.value


def public_forms(key: Any) -> list[bytes]:
    public = key.public_key()
    return [
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    ]


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("signature", ["", "AA", GOOD.rpartition(".")[2]], ids=["none", "short", "another"])
def test_without_a_signature(algorithm: str, signature: str) -> None:
    payload = GOOD.split(".")[1]
    token = f"{encoded({'alg': algorithm, 'typ': 'JWT', 'kid': CA.id})}.{payload}.{signature}"
    assert refusal(token).code is ErrorCode.TOKEN_INVALID


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("form", [0, 1])
@pytest.mark.parametrize(("hmac_name", "digest"), [("HS256", hashlib.sha256), ("HS384", hashlib.sha384)])
def test_signed_with_the_public_key_as_if_it_were_a_secret(name: str, form: int, hmac_name: str, digest: Any) -> None:
    """CVE-2016-10555 and its kin."""
    key = KEYS[name]
    begun = f"{encoded({'alg': hmac_name, 'typ': 'JWT'})}.{encoded(msgspec.json.encode(claims()))}"
    forged = f"{begun}.{encoded(hmac.new(public_forms(key)[form], begun.encode(), digest).digest())}"
    assert "and nothing else is taken" in refusal(forged, CAKey.of(key.public_key())).message


@pytest.mark.parametrize(
    ("mine", "claimed"),
    [(m, c) for m in KEYS for c in [*KEYS, "PS256", "RS512", "ES512", "EdDSA", "HS256"] if m != c],
)
def test_a_key_has_one_algorithm(mine: str, claimed: str) -> None:
    _, payload, signature = sign(claims(), KEYS[mine]).split(".")
    forged = f"{encoded({'alg': claimed, 'typ': 'JWT'})}.{payload}.{signature}"
    assert "and nothing else is taken" in refusal(forged, CAKey.of(KEYS[mine].public_key())).message


def test_another_algorithm_of_the_same_key() -> None:
    """The CA itself would have signed it, with PSS or a longer digest: still nothing that we take."""
    for algorithm in ("PS256", "RS384", "RS512"):
        token = signed(claims(), key=RSA, algorithm=algorithm)
        assert "signed with RS256 here" in refusal(token, CAKey.of(RSA.public_key())).message


def test_another_ca() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    assert "another key" in refusal(sign(claims(), other)).message
    assert "signature" in refusal(signed(claims(), key=other)).message
    assert "signature" in refusal(signed(claims(), key=other, header={"kid": CA.id})).message
    assert "ES256 here" in refusal(sign(claims(), P384)).message


def test_a_broker_token_is_no_ca_token_and_the_other_way_round() -> None:
    keys = TokenKeys.of(SECRET)
    broker = keys.sign(Claims(id=new_ulid(), source="exprsn-auth", iat=NOW_S, exp=NOW_S + 60, permissions=("*",)))
    assert refusal(broker).message == (
        "a CA token is signed with ES256 here, and nothing else is taken; this one looks like a broker token, which "
        "counts at the bridge"
    )
    for key in KEYS.values():
        with pytest.raises(TokenError) as refused:
            keys.verify(sign(claims(), key))
        assert refused.value.message == (
            "a broker token is signed with HS256, and nothing else is taken; this one looks like a CA token, which "
            "counts at Timeline's HTTP API"
        )
    # Of what is neither, nothing more is said.
    with pytest.raises(TokenError, match=r"nothing else is taken$"):
        keys.verify(signed(claims(), key=RSA, algorithm="RS512"))
    with pytest.raises(TokenError, match=r"nothing else is taken$"):
        CA.verify(signed(claims(), key=RSA, algorithm="RS512"))
    # What a broker token says, signed by the CA, as a bug of somebody's might.
    crossed = signed(msgspec.json.decode(msgspec.json.encode(Claims(id=new_ulid(), source="x", iat=1, exp=2))))
    assert "does not say what a CA token says" in refusal(crossed).message


@pytest.mark.parametrize(
    "member",
    [
        {"jwk": {"kty": "EC"}},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/ca.pem"},
        {"x5c": ["AAAA"]},
        {"x5t": "AAAA"},
        {"crit": ["exp"]},
        {"kid": "../../dev/null"},
        {"kid": "' OR 1=1 --"},
        {"kid": ""},
        {"typ": 1},
        {"exp": 9},
    ],
)
def test_a_header_that_brings_something_along(member: dict[str, Any]) -> None:
    """It was signed by the CA's own key, so only the header speaks against it."""
    assert CA.verify(with_header({"alg": "ES256"})) == CA.verify(GOOD)
    assert refusal(with_header({"alg": "ES256", **member})).code is ErrorCode.TOKEN_INVALID


def with_header(header: dict[str, Any]) -> str:
    begun = f"{encoded(header)}.{GOOD.split('.')[1]}"
    signature = der_to_raw_signature(P256.sign(begun.encode(), ec.ECDSA(SHA256())), ec.SECP256R1())
    return f"{begun}.{encoded(signature)}"


@pytest.mark.parametrize(
    "form",
    [
        "{0}.{1}.{2}AAAA",
        "{0}.{1}.AAAA",
        "{0}.{1}.",
        "{0}.{1}",
        "{0}.{1}.{2}.{2}",
        "{0}.{1}={2}",
        "{0}.{3}.{2}",
        "{0}.{1}.{2}" + "A" * 9_000,
    ],
)
def test_a_token_that_was_changed_on_the_way(form: str) -> None:
    richer = encoded(msgspec.json.encode(claims(sub="boss")))
    assert refusal(form.format(*GOOD.split("."), richer)).code is ErrorCode.TOKEN_INVALID


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("sub", 5),
        ("sub", None),
        ("sub", ["ann"]),
        ("sub", {"id": "ann"}),
        ("permissions", ["read"]),
        ("permissions", "read"),
        ("permissions", None),
        ("permissions", {"read": 1}),
        ("permissions", {"read": "true"}),
        ("permissions", {"read": None}),
        ("permissions", {"read": True, "Read": True}),
        ("permissions", {"*": True}),
        ("resource", None),
        ("resource", ["posts"]),
        ("roles", "admin"),
        ("roles", [1]),
        ("roles", {"admin": True}),
        ("iat", "1800000000"),
        ("iat", True),
        ("exp", None),
        ("aud", ["exprsn"]),
        ("type", None),
        ("nbf", NOW_S),
        ("scope", "admin"),
    ],
)
def test_a_member_of_the_wrong_type_or_of_nobody(member: str, value: Any) -> None:
    """A member that is not known might take something back, such as ``nbf``: so it is not passed over."""
    said = {**msgspec.to_builtins(claims()), member: value}
    assert "does not say what a CA token says" in refusal(signed(said)).message


@pytest.mark.parametrize("member", ["sub", "permissions", "resource", "iat", "exp", "jti", "iss", "aud", "type"])
def test_a_member_that_is_missing(member: str) -> None:
    said = msgspec.to_builtins(claims())
    del said[member]
    assert member in refusal(signed(said)).message


@pytest.mark.parametrize(
    "payload", [b"", b"no json", b"[]", b"null", b"{", b"\xff", b"[" * 4_000, b'{"iat": 1e999}', b'{"sub": "\\ud800"}']
)
def test_a_payload_that_is_no_json_of_ours(payload: bytes) -> None:
    assert refusal(signed(payload)).code is ErrorCode.TOKEN_INVALID


@pytest.mark.parametrize(
    "sub",
    [
        "",
        " ",
        "ann ",
        "ann\n",
        "ann\x00",
        "\x00",
        "\u0430nn",  # a Cyrillic a
        "\uff41nn",  # a wide a
        "ann\u200b",
        "ann\u202e",
        "\ud7ff",
        "service:exprsn-auth",
        "a/b",
        "../ann",
        "<script>",
        "-ann",
        ".ann",
        "a" * 129,
    ],
)
def test_a_sub_that_only_looks_like_a_user(sub: str) -> None:
    """``service:`` is what the names of services as users begin with: no person is one."""
    assert "sub is no user" in refusal(signed(claims(sub=sub))).message


@pytest.mark.parametrize("resource", ["", "Posts*", "p\u043ests", "posts\n", "posts/../*", ".*", "posts,users", "**"])
def test_a_resource_that_only_looks_like_a_pattern(resource: str) -> None:
    assert "resource is wrong" in refusal(signed(claims(resource=resource))).message


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iat": NOW_S - 7_200, "exp": NOW_S - 3_600}, ErrorCode.TOKEN_EXPIRED),
        ({"iat": NOW_S + 60, "exp": NOW_S + 120}, ErrorCode.TOKEN_NOT_YET_VALID),
        ({"exp": NOW_S + 10 * 365 * 86_400}, ErrorCode.TOKEN_INVALID),
        ({"iat": -1e300, "exp": 1e300}, ErrorCode.TOKEN_INVALID),
        ({"iat": 1e300, "exp": 1e300}, ErrorCode.TOKEN_INVALID),
        ({"iat": NOW_S, "exp": NOW_S - 1}, ErrorCode.TOKEN_INVALID),
    ],
)
def test_a_time_that_is_over_not_there_yet_or_too_long(changes: dict[str, float], code: ErrorCode) -> None:
    assert refusal(signed(claims(**changes))).code is code
