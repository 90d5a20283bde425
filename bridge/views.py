"""The bridge over HTTP: its health, and the statistics of the mesh."""

import asyncio
import logging
from http import HTTPStatus
from typing import Any

from channels.db import database_sync_to_async
from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from bridge.api.answers import refusal, success
from bridge.api.authentication import Asker, asker_of, refuse_token_in_address
from bridge.api.loop_view import answered
from bridge.mesh_stats import mesh_stats
from bridge.stats import stats_of
from bridge.unapplied_migrations import unapplied_migrations
from ipc.django_app.apps import ipc_config
from ipc.django_app.askers import is_development_machine
from ipc.django_app.conf import conf
from ipc.django_app.runtime import CHECK_TIMEOUT_S
from ipc.hub.hub import Hub
from ipc.protocol import codec
from ipc.protocol.errors import IPCError

logger = logging.getLogger(__name__)


# Nothing is changed here, so a POST is refused for what it is (405) and not for its missing CSRF token.
@csrf_exempt
@never_cache
@require_safe
async def health(request: HttpRequest) -> HttpResponse:
    """Answer 200 while the bridge can do its work, which takes Redis and the database with its tables; else 503.

    Who is known is also told why.
    """
    try:
        refuse_token_in_address(request)
    except IPCError as error:
        return refusal(error)
    checks = {"database": await _database_check(), "redis": {"ok": False, "error": "the hub does not run"}}
    runtime = ipc_config().runtime
    if runtime is not None:
        checks |= await runtime.health()
    is_healthy = all(check["ok"] for check in checks.values())
    told = {
        "status": "healthy" if is_healthy else "unhealthy",
        "service": conf.service,
        "version": conf.version,
        "timestamp": timezone.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    return JsonResponse(
        {**told, "checks": checks} if await _is_known(request) else told,
        status=HTTPStatus.OK if is_healthy else HTTPStatus.SERVICE_UNAVAILABLE,
    )


@csrf_exempt
@never_cache
@require_safe
async def stats(request: HttpRequest) -> HttpResponse:
    """Answer with the statistics of the mesh, or 503 while Redis is out of reach."""

    async def work(hub: Hub, _asker: Asker) -> HttpResponse:
        found = stats_of(await hub.registry.list(), hub.limits, is_limited=hub.limiter is not None)
        return success(codec.encode_json(found | await mesh_stats(hub, request.GET.dict())))

    return await answered(request, work)


async def _is_known(request: HttpRequest) -> bool:
    """Tell whether a service or an operator asks; health is told to everybody, so a wrong proof is no error here."""
    if is_development_machine(request):
        return True
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            asker = await asker_of(request)
    except (IPCError, DatabaseError, TimeoutError):
        return False
    return asker is not None and (asker.service is not None or asker.may_do_everything)


async def _database_check() -> dict[str, Any]:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            problem = await database_sync_to_async(_ask_database)()
    except (DatabaseError, TimeoutError) as error:
        logger.warning("health: the database cannot be used: %s", error)
        return {"ok": False, "error": "the database cannot be used"}
    return {"ok": True} if problem is None else {"ok": False, "error": problem}


def _ask_database() -> str | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return unapplied_migrations.problem()
