"""Tokens as operators see them, and a revocation that reaches a hub of another process at once."""

import asyncio

import pytest
from pytest_django import Settings

from ipc.django_app import broker_tokens
from ipc.django_app.conf import conf
from ipc.hub.mesh import Mesh
from ipc.protocol.errors import ForbiddenError
from ipc.protocol.permissions import USUAL
from tests.ipc.members import Member


@pytest.fixture(autouse=True)
def mesh(settings: Settings, redis_url: str) -> None:
    settings.REDIS_URL = redis_url
    settings.IPC_BROKER_KEY = "a key of these tests 0123456789 abcdef"


async def test_a_revocation_by_command_closes_the_sessions_of_a_running_hub(redis_url: str) -> None:
    running = await Mesh(redis_url, announces=False, make_tokens=conf.token_manager).start()
    try:
        made = await broker_tokens.mint("herald", permissions=None)
        member = Member(running.hub)
        member.session.prove(await running.hub.proofs.identify(made.token, service=None, by="test"))
        await asyncio.gather(broker_tokens.revoke_source("herald"), member.peer.close_code())
        assert member.peer.closed is not None
        assert member.peer.closed[0] == 4430
    finally:
        await running.stop()


async def test_who_is_named_in_the_permissions_gets_those_and_no_more(settings: Settings) -> None:
    """Unless others are asked for by name."""
    settings.IPC_PERMISSIONS = '{"herald": ["emit:mail:*"], "vault": []}'
    assert (await broker_tokens.mint("herald", permissions=None)).claims.permissions == ("emit:mail:*",)
    assert (await broker_tokens.mint("spark", permissions=None)).claims.permissions == USUAL
    with pytest.raises(ForbiddenError, match="IPC_PERMISSIONS leaves exprsn-vault none: name those"):
        await broker_tokens.mint("vault", permissions=None)
    assert (await broker_tokens.mint("vault", permissions=["state"])).claims.permissions == ("state",)


async def test_what_is_shown_of_a_token_is_what_it_says() -> None:
    made = await broker_tokens.mint("herald", permissions=["emit:*"], metadata={"for": "a cron job"}, ttl_s=60)
    lines = list(broker_tokens.claims_lines(made.claims))
    assert f"id              {made.claims.id}" in lines
    assert "metadata        {'for': 'a cron job'}" in lines
    assert not any(line.startswith(("stateful", "authBypass", "data ")) for line in lines)
    listed = list(broker_tokens.token_lines(await broker_tokens.find(None, after="", count=1)))
    assert listed[-1] == "1 token"
    assert "emit:*; made for manage.py by " in listed[1]
