"""Who speaks when a request emits or calls: an operator, as the service that it names, and nobody else."""

from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.test import AsyncRequestFactory

from bridge.api.speakers import speaker_of
from ipc.django_app.identity import DEV_IDENTITY
from ipc.django_app.runtime import Runtime
from ipc.protocol.errors import BadMessageError, ForbiddenError, UnauthenticatedError, UnknownServiceError
from ipc.stores.audit import Audit
from ipc.stores.audit_filter import AuditFilter

CSRF = "a" * 32


def request(
    user: Any = None, *, query: str = "", has_csrf_token: bool = True, headers: dict[str, str] | None = None
) -> HttpRequest:
    factory = AsyncRequestFactory()
    if has_csrf_token:
        headers = {**(headers or {}), "X-CSRFToken": CSRF}
        factory.cookies[settings.CSRF_COOKIE_NAME] = CSRF
    made: HttpRequest = factory.post(f"/api/ipc/emit{query}", b"", content_type="application/json", headers=headers)
    made.user = user or AnonymousUser()
    return made


def staff(**members: Any) -> User:
    return User(pk=7, username="ada", is_staff=True, is_superuser=True, **members)


async def test_staff_speaks_as_the_service_it_names() -> None:
    speaker = await speaker_of(request(staff(), query="?service=vault"))
    assert (speaker.service, speaker.permissions, speaker.is_dev_bypass) == ("exprsn-vault", frozenset({"*"}), False)
    assert (await speaker_of(request(staff()))).service == "exprsn-bridge"
    both = request(staff(), query="?service=vault", headers={"X-IPC-Service": "vault"})
    assert (await speaker_of(both)).service == "exprsn-vault"


async def test_who_spoke_as_which_service_is_in_the_trail(runtime: Runtime) -> None:
    for _ in range(2):
        await speaker_of(request(staff(), query="?service=vault"))
    with pytest.raises(UnauthenticatedError):
        await speaker_of(request(query="?service=pulse"))
    assert runtime.mesh is not None
    (entry,) = (await Audit(runtime.mesh.redis).read(AuditFilter())).entries
    assert (entry.action, entry.by, entry.subject) == ("operator.speaks", "operator 7", "exprsn-vault")
    assert entry.details == {"path": "/api/ipc/emit"}


async def test_a_session_needs_its_csrf_token() -> None:
    """A page of a foreign site could have its visitor emit otherwise."""
    with pytest.raises(ForbiddenError, match="CSRF"):
        await speaker_of(request(staff(), has_csrf_token=False))


async def test_who_is_no_operator_speaks_for_nobody() -> None:
    with pytest.raises(UnauthenticatedError):
        await speaker_of(request())
    with pytest.raises(ForbiddenError, match="for operators"):
        await speaker_of(request(User(pk=8, username="bob")))
    with pytest.raises(UnauthenticatedError):
        await speaker_of(request(staff(is_active=False)))


async def test_the_development_user_needs_no_session() -> None:
    made = request(has_csrf_token=False, query="?service=exprsn-herald")
    made.ipc_identity = DEV_IDENTITY  # type: ignore[attr-defined]  # what the middleware does
    speaker = await speaker_of(made)
    assert (speaker.service, speaker.is_dev_bypass) == ("exprsn-herald", True)


async def test_an_address_is_held_to_its_parameters() -> None:
    with pytest.raises(BadMessageError, match="no parameter colour"):
        await speaker_of(request(staff(), query="?colour=red"))
    with pytest.raises(UnknownServiceError):
        await speaker_of(request(staff(), query="?service=nobody"))
