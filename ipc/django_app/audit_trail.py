"""Writing the audit trail where Django's parts are: who acts, and in which Redis the trail is."""

import getpass
import logging
from collections.abc import Mapping
from typing import Any

from asgiref.sync import async_to_sync

from ipc.django_app.runtime import current_redis
from ipc.protocol.errors import IPCError
from ipc.stores.audit import Audit

logger = logging.getLogger(__name__)


def command_user() -> str:
    """Return who runs a command, as the trail names them."""
    return f"manage.py by {getpass.getuser()}"


def operator_name(user_id: str) -> str:
    """Return somebody who came over HTTP, by the key of their user, as the trail names them."""
    return f"operator {user_id}"


async def write_once_a_minute(action: str, *, by: str, subject: str, details: Mapping[str, Any] | None = None) -> None:
    """Write something down in the event loop of the server, once a minute however often it is done.

    Raises:
        UnavailableError: Redis is out of reach.

    """
    redis = current_redis()
    if redis is not None:
        await Audit(redis).write_once_a_minute(action, by=by, subject=subject, details=details)


def write_now(
    action: str, *, by: str, subject: str, details: Mapping[str, Any] | None = None, is_anybodys: bool = False
) -> None:
    """Write something down from a thread of the server; without a mesh, or while it is away, the log has it.

    What ``is_anybodys`` to do is written once a minute for each who does it, or the trail would soon have nothing else.
    """
    redis = current_redis()
    try:
        if redis is not None:
            trail = Audit(redis)
            write = trail.write_once_a_minute if is_anybodys else trail.write
            async_to_sync(write)(action, by=by, subject=subject, details=details)
            return
    except IPCError as error:
        logger.warning("the audit trail cannot be written: %s", error.message)
    logger.warning("not in the audit trail: %s of %s by %s", action, subject, by)
