"""System checks: a configuration that cannot work, or must not, stops the start and says what to do."""

from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import ERROR, CheckMessage, Error, Tags, Warning, register  # noqa: A004 - Django's own name
from django.core.exceptions import ImproperlyConfigured

from ipc.django_app.conf import conf, is_loopback
from ipc.protocol.errors import BadMessageError, UnknownServiceError
from ipc.protocol.tokens import MAX_LIFETIME_S, WeakKeyError
from ipc.stores.connection import check_url

ENVIRONMENTS: Final = ("development", "production")
MIN_TOKEN: Final = 32


def register_checks() -> None:
    """Hand the checks to Django."""
    register(check_bypass, Tags.security)
    register(check_names)
    register(check_limits)
    register(check_keys, Tags.security)
    register(check_permissions, Tags.security)
    register(check_client_certificates, Tags.security)
    register(check_metrics_token, Tags.security)
    register(check_redis_url)
    register(check_mesh)


def refuse_unsafe_settings() -> None:
    """Stop a server that starts without ``manage.py``, and so without Django's checks, on settings that must not be.

    Raises:
        ImproperlyConfigured: one of the checks of this module found an error.

    """
    found = [
        *check_bypass(),
        *check_names(),
        *check_limits(),
        *check_keys(),
        *check_permissions(),
        *check_client_certificates(),
        *check_metrics_token(),
        *check_redis_url(),
    ]
    errors = [message for message in found if message.level >= ERROR]
    if errors:
        raise ImproperlyConfigured("; ".join(f"{error.id}: {error.msg} {error.hint or ''}".strip() for error in errors))


def check_bypass(**_kwargs: Any) -> list[CheckMessage]:
    """``ipc.E001``: the development bypass is on where others could use it."""
    switches = [
        name for name, is_on in (("DEV_BYPASS", conf.dev_bypass), ("IPC_BYPASS_AUTH", conf.ipc_bypass_auth)) if is_on
    ]
    if not switches:
        return []
    names = " and ".join(switches)
    if not conf.in_development:
        return [
            Error(
                f"{names} must be off outside development.",
                hint=f"Set {'=false and '.join(switches)}=false, or EXPRSN_ENV=development on a development machine.",
                id="ipc.E001",
            )
        ]
    if not is_loopback(conf.bind_host):
        return [
            Error(
                f"{names} would let anyone in who can reach {conf.bind_host!r}.",
                hint="Set BIND_HOST=127.0.0.1, or switch the bypass off.",
                id="ipc.E001",
            )
        ]
    return []


def check_names(**_kwargs: Any) -> list[CheckMessage]:
    """``ipc.E002``: the environment or the service has a name that does not exist."""
    found: list[CheckMessage] = []
    environment = getattr(settings, "EXPRSN_ENV", "production")
    if environment not in ENVIRONMENTS:
        found.append(Error(f"EXPRSN_ENV is {' or '.join(ENVIRONMENTS)}, not {environment!r}.", id="ipc.E002"))
    try:
        _ = conf.service
    except UnknownServiceError as error:
        found.append(Error(f"EXPRSN_SERVICE: {error.message}.", id="ipc.E002"))
    try:
        _ = conf.on_behalf
    except UnknownServiceError as error:
        found.append(Error(f"IPC_ON_BEHALF: {error.message}.", id="ipc.E002"))
    return found


def check_limits(**_kwargs: Any) -> list[CheckMessage]:
    """``ipc.E003``: limits under which nothing, or nothing of the promised size, could be sent."""
    limits = conf.limits()
    values = {
        "IPC_MAX_FRAME": limits.frame_bytes,
        "IPC_MAX_DATA": limits.data_bytes,
        "IPC_MAX_MESSAGES": limits.messages_per_frame,
        "IPC_OUTBOX_BYTES": limits.outbox_bytes,
        "IPC_OUTBOX_MESSAGES": limits.outbox_messages,
        "IPC_MAX_GROUPS": limits.groups_per_service,
        "IPC_MAX_SESSIONS": limits.sessions_per_service,
        "IPC_CALLS_PER_SESSION": limits.calls_per_session,
        "IPC_CALLS_PER_OWNER": limits.calls_per_owner,
        "IPC_BREAKER_FAILURES": limits.breaker_failures,
        "IPC_BREAKER_PAUSE": limits.breaker_pause_ms,
        "IPC_RATE_MAX": limits.rate_max,
        "IPC_RATE_EXEMPT_MAX": limits.rate_exempt_max,
        "IPC_RATE_WINDOW": limits.rate_window_ms,
        "IPC_HEARTBEAT": limits.heartbeat_ms,
        "IPC_AUTH_TIMEOUT": limits.auth_timeout_ms,
        "IPC_MAX_STRANGERS": limits.strangers,
        "IPC_MAX_STRANGERS_PER_ADDRESS": limits.strangers_per_address,
        "IPC_LOG_MAXLEN": conf.log_maxlen,
        "IPC_LOG_TTL": conf.log_ttl_s,
        "IPC_TOKEN_TTL": conf.token_ttl_s,
        "IPC_STATEFUL_TTL": conf.stateful_ttl_s,
    }
    found: list[CheckMessage] = [
        Error(f"{name} is 1 or more, not {value}.", id="ipc.E003") for name, value in values.items() if value < 1
    ]
    found += [
        Error(f"{name} is at most {MAX_LIFETIME_S} (31 days), not {values[name]}.", id="ipc.E003")
        for name in ("IPC_TOKEN_TTL", "IPC_STATEFUL_TTL")
        if values[name] > MAX_LIFETIME_S
    ]
    for inner, outer in (("IPC_MAX_DATA", "IPC_MAX_FRAME"), ("IPC_MAX_FRAME", "IPC_OUTBOX_BYTES")):
        if values[inner] > values[outer]:
            found.append(
                Error(
                    f"{inner} ({values[inner]}) does not fit into {outer} ({values[outer]}).",
                    hint=f"Lower {inner} or raise {outer}.",
                    id="ipc.E003",
                )
            )
    return found


def check_keys(**_kwargs: Any) -> list[CheckMessage]:
    """``ipc.E004``: the bridge cannot sign or verify broker tokens, or with a key that could be guessed."""
    if getattr(settings, "EXPRSN_SERVICE", "") != "bridge":
        return []
    try:
        conf.token_keys()
    except WeakKeyError as error:
        return [
            Error(
                f"IPC_BROKER_KEY: {error}.",
                hint='Set it to what `python -c "import secrets; print(secrets.token_urlsafe(48))"` prints.',
                id="ipc.E004",
            )
        ]
    return []


def check_metrics_token(**_kwargs: Any) -> list[CheckMessage]:
    """``ipc.E010``: the token for the metrics could be guessed, or cannot be sent in a header."""
    token = conf.metrics_token
    if not token or (len(token) >= MIN_TOKEN and token.isascii() and token.isprintable() and " " not in token):
        return []
    return [
        Error(
            f"IPC_METRICS_TOKEN is {MIN_TOKEN} or more letters, digits and signs of ASCII, and no spaces.",
            hint='Set it to what `python -c "import secrets; print(secrets.token_urlsafe(32))"` prints.',
            id="ipc.E010",
        )
    ]


def check_permissions(**_kwargs: Any) -> list[CheckMessage]:
    """``ipc.E005``: the permissions of services make no sense."""
    try:
        _ = conf.permissions
    except BadMessageError as error:
        return [Error(f"IPC_PERMISSIONS: {error.message}.", id="ipc.E005")]
    return []


def check_client_certificates(**_kwargs: Any) -> list[CheckMessage]:
    """``ipc.E006``: the bridge shall ask its clients for certificates, and cannot."""
    if not conf.mtls or getattr(settings, "EXPRSN_SERVICE", "") != "bridge":
        return []
    if not conf.tls_enabled:
        return [
            Error(
                "IPC_MTLS asks clients for certificates, which needs TLS, and TLS_ENABLED is false.",
                hint="Set TLS_ENABLED=true, or IPC_MTLS=false and let what ends TLS in front of the bridge ask.",
                id="ipc.E006",
            )
        ]
    # On a development machine `make run` makes the CA, after this.
    if not conf.in_development and (conf.ca_file is None or not conf.ca_file.is_file()):
        return [
            Error(
                f"IPC_MTLS asks clients for certificates of a CA, and there is no {conf.ca_file or 'CERTS_DIR'}.",
                hint="Put the certificate of the CA there, or make one with `manage.py gencerts`.",
                id="ipc.E006",
            )
        ]
    return []


def check_redis_url(**_kwargs: Any) -> list[CheckMessage]:
    """``ipc.E007``: ``REDIS_URL`` is no address, so nothing could ever be there."""
    if not conf.redis_url:
        return []
    try:
        check_url(conf.redis_url)
    except BadMessageError as error:
        return [Error(f"REDIS_URL: {error.message}.", id="ipc.E007")]
    parts = urlsplit(conf.redis_url)
    # The client would take the machine itself, which whoever has left out a host has not said.
    if parts.scheme == "unix" or parts.hostname:
        return []
    return [Error("REDIS_URL names no host: write redis://user:password@host:6379/0.", id="ipc.E007")]


def check_mesh(**_kwargs: Any) -> list[CheckMessage]:
    """``ipc.W001``: in production nothing says where the mesh is, so events would wait in the outbox for ever."""
    if conf.in_development or conf.redis_url or conf.bridge_url:
        return []
    return [
        Warning(
            "Neither REDIS_URL nor BRIDGE_URL is set: events are kept, but go nowhere.",
            hint="Set REDIS_URL to join the mesh directly, or BRIDGE_URL to go through the bridge.",
            id="ipc.W001",
        )
    ]
