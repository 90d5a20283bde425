"""The health of Timeline: whether it can take posts, and how the rest is."""

import asyncio
import logging
from http import HTTPStatus
from typing import Any, Final

from channels.db import database_sync_to_async
from django.db import Error as DatabaseError
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from ipc.django_app.apps import ipc_config
from ipc.django_app.askers import is_development_machine, is_operator, person_of
from ipc.django_app.conf import conf
from ipc.django_app.models import OutboxEvent
from ipc.protocol.errors import IPCError

logger = logging.getLogger(__name__)

_RUNTIME_TIMEOUT_S: Final = 2.0


# Nothing is changed here, so a POST is refused for what it is (405) and not for its missing CSRF token.
@csrf_exempt
@require_safe
async def health(request: HttpRequest) -> JsonResponse:
    """Answer 200 while Timeline can do its work, which takes the database; else 503. Operators are also told why.

    Redis and the worker are shown, but do not count: without them posts are still taken, and their events wait.
    """
    checks = {"database": {"ok": True}, **await _runtime_checks()}
    try:
        checks["ipc"] = await database_sync_to_async(_outbox_check)()
    except DatabaseError as error:
        logger.error("health: the database cannot be used: %s", error)  # noqa: TRY400 - foreseen, no traceback
        checks["database"] = {"ok": False, "error": "the database cannot be used"}
    is_healthy = checks["database"]["ok"]
    told = {
        "status": "healthy" if is_healthy else "unhealthy",
        "service": conf.service,
        "version": conf.version,
        "timestamp": timezone.now().isoformat().replace("+00:00", "Z"),
    }
    return JsonResponse(
        {**told, "checks": checks} if await _is_known(request) else told,
        status=HTTPStatus.OK if is_healthy else HTTPStatus.SERVICE_UNAVAILABLE,
        headers={"Cache-Control": "no-store"},
    )


async def _is_known(request: HttpRequest) -> bool:
    """Tell whether an operator asks; health is told to everybody, so a wrong proof is no error here."""
    if is_development_machine(request):
        return True
    try:
        async with asyncio.timeout(_RUNTIME_TIMEOUT_S):
            person = await database_sync_to_async(person_of)(request)
    except (IPCError, DatabaseError, TimeoutError):
        return False
    return person is not None and is_operator(person)


async def _runtime_checks() -> dict[str, dict[str, Any]]:
    runtime = ipc_config().runtime
    if runtime is None:
        return {}
    try:
        async with asyncio.timeout(_RUNTIME_TIMEOUT_S):
            return await runtime.health()
    except Exception as error:  # noqa: BLE001 - whatever is wrong there is what the answer is to say
        logger.warning("health: the runtime does not answer: %r", error)
        return {"worker": {"ok": False, "error": "the runtime does not answer"}}


def _outbox_check() -> dict[str, Any]:
    waiting = OutboxEvent.objects.filter(parked_at=None)
    oldest = waiting.order_by("id").values_list("created_at", flat=True).first()
    age_s = 0.0 if oldest is None else max(0.0, (timezone.now() - oldest).total_seconds())
    return {
        "ok": True,
        "pending": waiting.count(),
        "oldestMs": round(age_s * 1000),
        "parked": OutboxEvent.objects.exclude(parked_at=None).count(),
    }
