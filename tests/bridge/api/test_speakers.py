"""In whose name a request emits or calls: that of its token's service, or, for an operator, of the one it names."""

import pytest
from django.http import HttpRequest
from django.test import AsyncRequestFactory

from bridge.api.authentication import EVERYTHING, Asker
from bridge.api.speakers import speaker_of
from ipc.hub.session import Identity
from ipc.protocol.errors import BadMessageError, ForbiddenError, UnknownServiceError

OPERATOR = Asker(name="7", permissions=EVERYTHING)
TOKEN = Identity(service="exprsn-herald", permissions=frozenset({"emit:a:*"}))
HERALD = Asker(name="herald", permissions=TOKEN.permissions, token=TOKEN)


def request(query: str = "", **headers: str) -> HttpRequest:
    made: HttpRequest = AsyncRequestFactory().post(f"/api/ipc/emit{query}", headers=headers)
    return made


def test_an_operator_speaks_as_the_service_it_names() -> None:
    speaker = speaker_of(OPERATOR, request("?service=vault"))
    assert (speaker.service, speaker.permissions, speaker.is_dev_bypass) == ("exprsn-vault", EVERYTHING, False)
    assert speaker_of(OPERATOR, request()).service == "exprsn-bridge"
    assert speaker_of(OPERATOR, request("?service=vault", **{"X-IPC-Service": "vault"})).service == "exprsn-vault"


def test_a_token_speaks_for_its_service() -> None:
    assert speaker_of(HERALD, request()) is TOKEN
    assert speaker_of(HERALD, request("?service=herald")) is TOKEN
    with pytest.raises(ForbiddenError, match="not of 'spark'"):
        speaker_of(HERALD, request("?service=spark"))


def test_an_address_is_held_to_its_parameters() -> None:
    with pytest.raises(BadMessageError, match="no parameter colour"):
        speaker_of(OPERATOR, request("?colour=red"))
    with pytest.raises(BadMessageError, match="two services"):
        speaker_of(OPERATOR, request("?service=vault", **{"X-IPC-Service": "spark"}))
    with pytest.raises(UnknownServiceError):
        speaker_of(OPERATOR, request("?service=nobody"))
