"""Who asks over HTTP: what each kind of proof makes of a request, and which tokens are not this kind."""

from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.test import AsyncRequestFactory

from bridge.api.authentication import EVERYTHING, asker_of, broker_token_of
from ipc.django_app.identity import DEV_IDENTITY
from ipc.protocol.errors import ForbiddenError, UnauthenticatedError, UnavailableError
from tests.bridge.tokens import encoded

# Whoever is staff has permissions in the database.
pytestmark = pytest.mark.usefixtures("database_of_views")

CSRF = "a" * 32


def request(user: Any = None, *, query: str = "", has_csrf_token: bool = True, **headers: str) -> HttpRequest:
    factory = AsyncRequestFactory()
    if has_csrf_token:
        headers["X-CSRFToken"] = factory.cookies[settings.CSRF_COOKIE_NAME] = CSRF
    made: HttpRequest = factory.post(f"/api/ipc/emit{query}", b"", content_type="application/json", headers=headers)
    made.user = user or AnonymousUser()
    return made


def staff(**members: Any) -> User:
    return User(pk=7, username="ada", is_staff=True, **members)


async def test_staff_may_do_everything() -> None:
    asker = await asker_of(request(staff()))
    assert asker is not None
    assert (asker.name, asker.permissions, asker.service, asker.is_dev_bypass) == (
        "operator 7",
        EVERYTHING,
        None,
        False,
    )


async def test_a_session_needs_its_csrf_token() -> None:
    """A page of a foreign site could have its visitor emit otherwise."""
    with pytest.raises(ForbiddenError, match="CSRF"):
        await asker_of(request(staff(), has_csrf_token=False))


async def test_others_may_do_nothing() -> None:
    assert await asker_of(request()) is None
    assert await asker_of(request(staff(is_active=False))) is None
    reader = await asker_of(request(User(pk=8, username="bob")))
    assert reader is not None
    assert (reader.permissions, reader.may_do_everything) == (frozenset(), False)


async def test_the_development_user_needs_no_session() -> None:
    made = request(has_csrf_token=False)
    made.ipc_identity = DEV_IDENTITY  # type: ignore[attr-defined]  # what the middleware does
    asker = await asker_of(made)
    assert asker is not None
    assert (asker.may_do_everything, asker.is_dev_bypass) == (True, True)


@pytest.mark.parametrize("name", ["token", "access_token", "TOKEN", "jwt"])
async def test_a_token_in_the_address_is_refused_whoever_asks(name: str) -> None:
    with pytest.raises(UnauthenticatedError, match="does not belong into an address"):
        await asker_of(request(staff(), query=f"?{name}=a.b.c"))


async def test_without_a_hub_no_token_can_be_verified() -> None:
    with pytest.raises(UnavailableError):
        await asker_of(request(staff(), Authorization="Bearer a.b.c"))


@pytest.mark.parametrize(
    "header", [{"alg": "HS256", "kid": "k"}, {"alg": "RS256"}, {"alg": "EdDSA"}, {"alg": "none"}, {"alg": 5}, {}, []]
)
def test_every_token_is_ours_to_refuse(header: Any) -> None:
    token = f"{encoded(header)}.{encoded({})}.x"
    assert broker_token_of(request(Authorization=f"bearer  {token}")) == token


@pytest.mark.parametrize("text", ["", "x", "Bearer x", "\udcff.a.b", "." * 10, "[" * 100_000, f"{'W' * 200_000}.x.y"])
def test_what_is_no_token_is_ours_to_refuse(text: str) -> None:
    made = request()
    made.META["HTTP_AUTHORIZATION"] = f"Bearer {text}"
    assert broker_token_of(made) == text


@pytest.mark.parametrize("text", ["", "Basic YTpi", "Token a.b.c", "Bearer=a.b.c"])
def test_another_scheme_is_no_token(text: str) -> None:
    assert broker_token_of(request(Authorization=text)) is None
