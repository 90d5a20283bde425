"""CA tokens as DRF meets them: whom they make a request, and what is refused."""

import hashlib
import hmac
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.contrib.auth.models import User
from pytest_django import Settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from certs.pair import KeyType, PrivateKey
from ipc.django_app.authentication import CATokenAuthentication, RequestIdentityAuthentication
from ipc.django_app.identity import Identity
from ipc.django_app.middleware import DevBypassMiddleware, ca_token_of, identity_of
from ipc.protocol.ca_tokens import new_claims
from ipc.protocol.ids import new_ulid
from ipc.protocol.tokens import Claims, TokenKeys
from tests.bridge.tokens import encoded
from tests.people import bearer, make_ca, token_of

SECRET = "a key of these tests 0123456789 abcdef"


class View(APIView):
    """Answers with who asks."""

    authentication_classes = [CATokenAuthentication, RequestIdentityAuthentication]
    seen: list[Request] = []

    def get(self, request: Request) -> Response:
        self.seen.append(request)
        return Response({"userId": str(request.user)})


@pytest.fixture
def ca(settings: Settings, tmp_path: Path) -> PrivateKey:
    settings.CERTS_DIR = tmp_path
    return make_ca(tmp_path)


def ask(headers: dict[str, str], *, user: Any = None, **extra: Any) -> Any:
    request = APIRequestFactory().get("/api/x", headers=headers, **extra)
    request.user = user
    DevBypassMiddleware(lambda _: None)(request)
    answer = View.as_view()(request)
    answer.render()
    return answer


def asked(headers: dict[str, str], **options: Any) -> Request:
    assert ask(headers, **options).status_code == 200
    return View.seen[-1]


def user_of(request: Request) -> Identity:
    user: Any = request.user
    assert isinstance(user, Identity)
    return user


def refused(headers: dict[str, str], **options: Any) -> tuple[int, str]:
    answer = ask(headers, **options)
    return answer.status_code, answer.data["error"]


def broker_token() -> str:
    claims = Claims(id=new_ulid(), source="exprsn-auth", iat=time.time(), exp=time.time() + 60, permissions=("*",))
    return TokenKeys.of(SECRET).sign(claims)


def test_a_token_makes_a_request_its_persons(ca: PrivateKey) -> None:
    token = token_of("ann", ca, permissions=["read", "append"], resource="posts/*", roles=["editor"])
    request = asked(bearer(token))
    identity = Identity(
        user_id="ann",
        permissions=frozenset({"read", "append"}),
        roles=frozenset({"editor"}),
        resource="posts/*",
    )
    assert user_of(request) == identity
    assert identity_of(request._request) == identity
    shown = ca_token_of(request._request)
    assert shown is not None
    assert request.auth is shown
    assert (shown.claims.sub, shown.is_mock) == ("ann", False)


def test_an_rsa_ca_signs_as_well(ca: PrivateKey, tmp_path: Path) -> None:
    key = make_ca(tmp_path, key_type=KeyType.RSA)
    assert user_of(asked(bearer(token_of("ann", key)))).user_id == "ann"


def test_a_renewed_ca_counts_at_once_and_the_old_one_not_any_more(ca: PrivateKey, tmp_path: Path) -> None:
    old = token_of("ann", ca)
    asked(bearer(old))
    new = make_ca(tmp_path)
    assert refused(bearer(old)) == (401, "TOKEN_INVALID")
    asked(bearer(token_of("ann", new)))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_has_no_case(ca: PrivateKey, scheme: str) -> None:
    asked({"Authorization": f"{scheme} {token_of('ann', ca)}"})


def test_a_broker_token_is_refused_by_its_kind(ca: PrivateKey) -> None:
    """Whether it is good is not looked at, and neither a session nor the development bypass makes up for it."""
    user, bypass = User(pk=7, username="ada", is_superuser=True), {"X-IPC-Request": "true"}
    unsigned = encoded({"alg": "HS256"}) + ".e30.AA"
    for token, headers, asker in (
        (broker_token(), {}, None),
        (broker_token(), bypass, None),
        (broker_token(), {}, user),
        (unsigned, {}, None),
    ):
        answer = ask({**bearer(token), **headers}, user=asker)
        assert (answer.status_code, answer.data["error"]) == (401, "TOKEN_INVALID")
        assert answer.data["message"] == (
            "this looks like a broker token, which counts at the bridge: what is taken here is a CA token"
        )
        assert answer["WWW-Authenticate"] == 'Bearer realm="exprsn", error="invalid_token"'


def test_another_scheme_shows_no_token(ca: PrivateKey) -> None:
    for other in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearerx a.b.c"}):
        assert CATokenAuthentication().authenticate(Request(APIRequestFactory().get("/", headers=other))) is None


def test_what_is_signed_with_the_public_key_as_a_secret_is_nobodys(ca: PrivateKey, tmp_path: Path) -> None:
    """It looks like a broker token, which is not taken here; and a bridge does not have that secret."""
    public = (tmp_path / "ca-cert.pem").read_bytes()
    claims = new_claims("boss", permissions=["read"], resource="*", now_s=time.time(), ttl_s=60)
    begun = f"{encoded({'alg': 'HS256', 'typ': 'JWT'})}.{encoded(msgspec.json.encode(claims))}"
    forged = f"{begun}.{encoded(hmac.new(public, begun.encode(), hashlib.sha256).digest())}"
    assert refused(bearer(forged)) == (401, "TOKEN_INVALID")


@pytest.mark.parametrize(
    "text", ["", "x", "a.b.c", "null", "a" * 9_000, encoded({"alg": "none"}) + ".e30.AA", "\u0430.b.c", "x y z"]
)
def test_what_is_no_token_of_any_kind_is_refused(ca: PrivateKey, text: str) -> None:
    answer = ask(bearer(text))
    assert (answer.status_code, answer.data["error"]) == (401, "TOKEN_INVALID")
    assert answer["WWW-Authenticate"] == 'Bearer realm="exprsn", error="invalid_token"'


def test_two_tokens_are_none(ca: PrivateKey) -> None:
    """So a header comes that was sent twice."""
    good = token_of("ann", ca)
    assert refused({"Authorization": f"Bearer {good},Bearer {good}"}) == (401, "TOKEN_INVALID")


def test_the_reason_has_its_code(ca: PrivateKey, tmp_path: Path) -> None:
    now = time.time()
    for token, code in (
        (token_of("ann", ca, now_s=now - 120), "TOKEN_EXPIRED"),
        (token_of("ann", ca, now_s=now + 120), "TOKEN_NOT_YET_VALID"),
        (token_of("ann", make_ca(tmp_path / "other")), "TOKEN_INVALID"),
    ):
        assert refused(bearer(token)) == (401, code)


def test_who_shows_a_token_is_held_to_it(ca: PrivateKey) -> None:
    """Neither a session nor the development bypass makes up for one that is wrong, or says less."""
    user, bypass = User(pk=7, username="ada", is_superuser=True), {"X-IPC-Request": "true"}
    good = bearer(token_of("ann", ca, permissions=["read"]))
    assert user_of(asked({**good, **bypass})).permissions == {"read"}
    assert str(asked(good, user=user).user) == "ann"
    assert refused({**bearer("a.b.c"), **bypass}) == (401, "TOKEN_INVALID")
    assert refused(bearer("a.b.c"), user=user) == (401, "TOKEN_INVALID")


def test_without_a_ca_nobody_is_let_in_by_a_token(ca: PrivateKey, tmp_path: Path) -> None:
    token = token_of("ann", ca)
    (tmp_path / "ca-cert.pem").unlink()
    answer = ask(bearer(token))
    assert (answer.status_code, answer.data["error"]) == (503, "UNAVAILABLE")
    assert "WWW-Authenticate" not in answer
    assert str(asked({"X-IPC-Request": "true"}).user) == "dev-user"


def test_the_bypass_shows_a_token_that_is_made_up() -> None:
    token = asked({"X-IPC-Request": "true"}).auth
    assert token.is_mock  # type: ignore[union-attr]  # a CAToken


def test_a_browser_is_told_as_well(ca: PrivateKey) -> None:
    """DRF's pages ask who is there while they are made, which must not fail a second time."""
    assert ask({**bearer("a.b.c"), "Accept": "text/html"}).status_code == 401
