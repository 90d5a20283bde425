"""Logins of people: written down, and slowed where somebody guesses.

Ten failures for a name, or a hundred from an address (of IPv6 a network), within a quarter of an hour end the trying
until it is over, which the log and the trail say once, when it begins. It is done by the backend of Django's
authentication, so it holds for each way to log in; while Redis is away, nothing is counted.
"""

import hashlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from ipc.django_app.audit_trail import operator_name, write_now
from ipc.django_app.runtime import current_redis
from ipc.protocol.errors import IPCError
from ipc.protocol.networks import network_of
from ipc.stores.attempts import Attempts

logger = logging.getLogger(__name__)

MAX_OF_NAME: Final = 10
MAX_OF_ADDRESS: Final = 100
WHILE_MS: Final = 900_000
_WHILE_MINUTES: Final = WHILE_MS // 60_000
UNKNOWN: Final = "unknown"
_MAX_SHOWN: Final = 150

T = TypeVar("T")


class LimitedModelBackend(ModelBackend):
    """Django's own backend, which looks at no password where too many have been wrong."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """Return the user of a name and password, if they belong together.

        Raises:
            PermissionDenied: too many have failed; no other backend is asked, whatever the password is.

        """
        _refuse_guessing(request, username)
        return super().authenticate(request, username=username, password=password, **kwargs)

    async def aauthenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """Do the same, from an event loop."""
        return await sync_to_async(self.authenticate)(request, username=username, password=password, **kwargs)


def _refuse_guessing(request: HttpRequest | None, username: str | None) -> None:
    redis = current_redis()
    if redis is None:
        return
    try:
        counts = async_to_sync(Attempts(redis).counts)(_counters(request, username))
    except IPCError as error:
        logger.warning("failed logins are not counted: %s", error.message)
        return
    if counts[0] >= MAX_OF_NAME or counts[1] >= MAX_OF_ADDRESS:
        raise PermissionDenied("too many logins have failed; try again in a quarter of an hour")


def connect_signals() -> None:
    """Hear of logins."""
    user_logged_in.connect(_logged_in, dispatch_uid="ipc.logins")
    user_login_failed.connect(_failed, dispatch_uid="ipc.logins")


def _logged_in(*, request: HttpRequest | None, user: Any, **_: Any) -> None:
    (counter, _address_counter) = _counters(request, user.get_username())
    _change_counters(Attempts.forget, counter)
    details = {"username": user.get_username(), "address": _address(request)}
    write_now("login", by=operator_name(str(user.pk)), subject=str(user.pk), details=details)


def _failed(*, credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    typed = credentials.get("username")
    name, origin = _name_of(typed), _origin(request)
    counts = _change_counters(Attempts.add, _counters(request, typed), ttl_ms=WHILE_MS)
    write_now("login.failed", by=origin, subject=name, is_anybodys=True)
    if counts is None:
        return
    # A counter has this value once, whichever process counts. A name that nobody has needs no word: it is nobody's.
    if counts[0] == MAX_OF_NAME and name != UNKNOWN:
        _note_lock("as", name, origin, MAX_OF_NAME)
    if counts[1] == MAX_OF_ADDRESS:
        _note_lock("from", origin, origin, MAX_OF_ADDRESS)


def _note_lock(word: str, subject: str, origin: str, failures: int) -> None:
    """Say that logins fail from now on; what others have typed is shown so that it begins no other line."""
    logger.warning(
        "no login %s %r is let in for up to %d minutes: %d have failed, the last from %r",
        word,
        subject[:_MAX_SHOWN],
        _WHILE_MINUTES,
        failures,
        origin[:_MAX_SHOWN],
    )
    details = {"failures": failures, "minutes": _WHILE_MINUTES}
    write_now("login.locked", by=origin, subject=subject, details=details, is_anybodys=True)


def _change_counters(change: Callable[..., Coroutine[Any, Any, T]], *args: Any, **options: Any) -> T | None:
    redis = current_redis()
    try:
        return async_to_sync(change)(Attempts(redis), *args, **options) if redis is not None else None
    except IPCError as error:
        logger.warning("failed logins are not counted: %s", error.message)
        return None


def _name_of(typed: Any) -> str:
    """Return the name that somebody typed, if it is one: people type their password there, too."""
    field = get_user_model().USERNAME_FIELD
    is_name = isinstance(typed, str) and get_user_model()._default_manager.filter(**{field: typed}).exists()
    return str(typed) if is_name else UNKNOWN


def _counters(request: HttpRequest | None, username: Any) -> list[str]:
    """Return the names of the counters, of the name first; what was typed is not kept as it is."""
    digest = hashlib.sha256(str(username).encode(errors="surrogatepass")).hexdigest()[:32]
    return [f"login/{digest}", f"login/from/{_origin(request)}"]


def _address(request: HttpRequest | None) -> str:
    return (request.META.get("REMOTE_ADDR") if request is not None else None) or UNKNOWN


def _origin(request: HttpRequest | None) -> str:
    return network_of(_address(request))
