"""In whose name a request emits or calls: that of its token's service, or, for an operator, of the one it names."""

import pytest
from django.http import HttpRequest
from django.test import AsyncRequestFactory

from bridge.api.authentication import EVERYTHING, Asker
from bridge.api.speakers import speaker_of
from ipc.django_app.runtime import Runtime
from ipc.hub.session import Identity
from ipc.protocol.errors import BadMessageError, ForbiddenError, UnknownServiceError
from ipc.stores.audit import Audit
from ipc.stores.audit_filter import AuditFilter

OPERATOR = Asker(name="operator 7", permissions=EVERYTHING)
TOKEN = Identity(service="exprsn-herald", permissions=frozenset({"emit:a:*"}))
HERALD = Asker(name="herald", permissions=TOKEN.permissions, token=TOKEN)


def request(query: str = "", **headers: str) -> HttpRequest:
    made: HttpRequest = AsyncRequestFactory().post(f"/api/ipc/emit{query}", headers=headers)
    return made


async def test_an_operator_speaks_as_the_service_it_names() -> None:
    speaker = await speaker_of(OPERATOR, request("?service=vault"))
    assert (speaker.service, speaker.permissions, speaker.is_dev_bypass) == ("exprsn-vault", EVERYTHING, False)
    assert (await speaker_of(OPERATOR, request())).service == "exprsn-bridge"
    assert (
        await speaker_of(OPERATOR, request("?service=vault", **{"X-IPC-Service": "vault"}))
    ).service == "exprsn-vault"


async def test_a_token_speaks_for_its_service() -> None:
    assert await speaker_of(HERALD, request()) is TOKEN
    assert await speaker_of(HERALD, request("?service=herald")) is TOKEN
    with pytest.raises(ForbiddenError, match="not of 'spark'"):
        await speaker_of(HERALD, request("?service=spark"))


async def test_an_address_is_held_to_its_parameters() -> None:
    with pytest.raises(BadMessageError, match="no parameter colour"):
        await speaker_of(OPERATOR, request("?colour=red"))
    with pytest.raises(BadMessageError, match="two services"):
        await speaker_of(OPERATOR, request("?service=vault", **{"X-IPC-Service": "spark"}))
    with pytest.raises(UnknownServiceError):
        await speaker_of(OPERATOR, request("?service=nobody"))


async def test_who_spoke_as_which_service_is_in_the_trail_once_a_minute(runtime: Runtime) -> None:
    for _ in range(2):
        await speaker_of(OPERATOR, request("?service=vault"))
    await speaker_of(HERALD, request())
    assert runtime.mesh is not None
    (entry,) = (await Audit(runtime.mesh.redis).read(AuditFilter())).entries
    assert (entry.action, entry.by, entry.subject) == ("operator.speaks", "operator 7", "exprsn-vault")
    assert entry.details == {"path": "/api/ipc/emit"}
