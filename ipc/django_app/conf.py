"""The settings of the library as one typed object, read on access so that ``override_settings`` works."""

import ipaddress
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from redis.asyncio import Redis

from ipc.protocol.limits import Limits
from ipc.protocol.permissions import USUAL, permissions_table
from ipc.protocol.services import full_name, short_name
from ipc.protocol.tokens import TokenKeys
from ipc.stores.audit import Audit
from ipc.stores.token_records import TokenRecords
from ipc.stores.tokens import BrokerTokenManager


def is_loopback(host: str) -> bool:
    """Tell whether a host can only be reached from the machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Conf:
    """What the project's settings say, with the defaults of the library."""

    @property
    def redis_url(self) -> str:
        """Where the mesh is, empty where the service goes through the bridge."""
        return str(_setting("REDIS_URL", ""))

    @property
    def bridge_url(self) -> str:
        """Where the bridge is, such as ``wss://localhost:3010``, empty where the service joins the mesh directly."""
        return str(_setting("BRIDGE_URL", ""))

    @property
    def ca_file(self) -> Path | None:
        """The CA that the bridge's certificate is checked against; None leaves that to the system's authorities."""
        return self.certs_dir / "ca-cert.pem" if self.certs_dir else None

    @property
    def mtls(self) -> bool:
        """Whether the bridge talks TLS only to clients with a certificate of the CA."""
        return bool(_setting("IPC_MTLS", False))

    @property
    def tls_enabled(self) -> bool:
        """Whether the service answers TLS only."""
        return bool(_setting("TLS_ENABLED", True))

    @property
    def certs_dir(self) -> Path | None:
        """Where the certificates and the keys are."""
        certs_dir = _setting("CERTS_DIR", None)
        return Path(certs_dir) if certs_dir else None

    @property
    def log_maxlen(self) -> int:
        """How many events a log keeps."""
        return int(_setting("IPC_LOG_MAXLEN", 100_000))

    @property
    def log_ttl_s(self) -> int:
        """How long a log keeps an event, in seconds."""
        return int(_setting("IPC_LOG_TTL", 86_400))

    @property
    def service(self) -> str:
        """The full name of the service that this process is.

        Raises:
            UnknownServiceError: ``EXPRSN_SERVICE`` names none; the check ``ipc.E002`` says so at start.

        """
        return full_name(str(_setting("EXPRSN_SERVICE", "")))

    @property
    def version(self) -> str:
        """The version that health answers carry."""
        return str(_setting("EXPRSN_VERSION", "0"))

    @property
    def in_development(self) -> bool:
        """Whether this is a development machine; everything else counts as production."""
        return bool(_setting("EXPRSN_ENV", "production") == "development")

    @property
    def dev_bypass(self) -> bool:
        """Whether HTTP requests may ask for the development identity."""
        return bool(_setting("DEV_BYPASS", False))

    def token_keys(self) -> TokenKeys:
        """Return the keys that broker tokens are signed and verified with.

        Raises:
            WeakKeyError: ``IPC_BROKER_KEY`` has none, or one that could be guessed; the check ``ipc.E004`` says so.

        """
        return TokenKeys.of(str(_setting("IPC_BROKER_KEY", "")))

    @property
    def token_ttl_s(self) -> int:
        """How long a broker token holds, in seconds."""
        return int(_setting("IPC_TOKEN_TTL", 300))

    @property
    def stateful_ttl_s(self) -> int:
        """How long a stateful token holds after its last use, in seconds."""
        return int(_setting("IPC_STATEFUL_TTL", 7 * 86_400))

    @property
    def token(self) -> str:
        """The broker token of a service that goes through the bridge and has no certificate."""
        return str(_setting("IPC_TOKEN", ""))

    def permissions_of(self, service: str) -> tuple[str, ...]:
        """Return what a service, by its full name, is permitted by a token that names no permissions of its own.

        Raises:
            BadMessageError: ``IPC_PERMISSIONS`` makes no sense; the check ``ipc.E005`` says so at start.

        """
        return self.permissions.get(service, USUAL)

    @property
    def permissions(self) -> dict[str, tuple[str, ...]]:
        """What the services are permitted that have not the usual permissions.

        Raises:
            BadMessageError: ``IPC_PERMISSIONS`` makes no sense; the check ``ipc.E005`` says so at start.

        """
        return permissions_table(str(_setting("IPC_PERMISSIONS", "")))

    def token_manager(self, redis: Redis) -> BrokerTokenManager:
        """Return what knows the broker tokens of the mesh that a Redis holds.

        Raises:
            WeakKeyError: as for `token_keys`.

        """
        return BrokerTokenManager(
            TokenRecords(redis),
            self.token_keys(),
            Audit(redis),
            ttl_s=self.token_ttl_s,
            stateful_ttl_s=self.stateful_ttl_s,
            is_development=self.in_development,
        )

    @property
    def ipc_bypass_auth(self) -> bool:
        """Whether sockets are let in without a token."""
        return bool(_setting("IPC_BYPASS_AUTH", False))

    @property
    def rate_limit(self) -> bool:
        """Whether services may send only so many messages."""
        return bool(_setting("IPC_RATE_LIMIT", True))

    @property
    def metrics_token(self) -> str:
        """What shows that somebody may read the metrics; empty where nobody may but a development machine itself."""
        return str(_setting("IPC_METRICS_TOKEN", ""))

    @property
    def on_behalf(self) -> frozenset[str]:
        """The full names of the services whose calls may act for a user.

        Raises:
            UnknownServiceError: ``IPC_ON_BEHALF`` names one that is none; the check ``ipc.E002`` says so at start.

        """
        return frozenset(full_name(name) for name in _setting("IPC_ON_BEHALF", ()))

    @property
    def bind_host(self) -> str:
        """The address that the server listens on."""
        return str(_setting("BIND_HOST", "127.0.0.1"))

    @property
    def worker_path(self) -> str | None:
        """The dotted path of the worker that runs beside this service's ASGI application."""
        workers: dict[str, str] = _setting("IPC_WORKERS", {})
        return workers.get(short_name(self.service))

    def limits(self) -> Limits:
        """Return the sizes that bound sessions and events."""
        default = Limits()
        return Limits(
            frame_bytes=int(_setting("IPC_MAX_FRAME", default.frame_bytes)),
            data_bytes=int(_setting("IPC_MAX_DATA", default.data_bytes)),
            messages_per_frame=int(_setting("IPC_MAX_MESSAGES", default.messages_per_frame)),
            outbox_bytes=int(_setting("IPC_OUTBOX_BYTES", default.outbox_bytes)),
            outbox_messages=int(_setting("IPC_OUTBOX_MESSAGES", default.outbox_messages)),
            groups_per_service=int(_setting("IPC_MAX_GROUPS", default.groups_per_service)),
            sessions_per_service=int(_setting("IPC_MAX_SESSIONS", default.sessions_per_service)),
            calls_per_session=int(_setting("IPC_CALLS_PER_SESSION", default.calls_per_session)),
            calls_per_owner=int(_setting("IPC_CALLS_PER_OWNER", default.calls_per_owner)),
            breaker_failures=int(_setting("IPC_BREAKER_FAILURES", default.breaker_failures)),
            breaker_pause_ms=int(_setting("IPC_BREAKER_PAUSE", default.breaker_pause_ms)),
            rate_max=int(_setting("IPC_RATE_MAX", default.rate_max)),
            rate_exempt_max=int(_setting("IPC_RATE_EXEMPT_MAX", default.rate_exempt_max)),
            rate_window_ms=int(_setting("IPC_RATE_WINDOW", default.rate_window_ms)),
            heartbeat_ms=int(_setting("IPC_HEARTBEAT", default.heartbeat_ms)),
            auth_timeout_ms=int(_setting("IPC_AUTH_TIMEOUT", default.auth_timeout_ms)),
            strangers=int(_setting("IPC_MAX_STRANGERS", default.strangers)),
            strangers_per_address=int(_setting("IPC_MAX_STRANGERS_PER_ADDRESS", default.strangers_per_address)),
        )


def _setting(name: str, default: Any) -> Any:
    return getattr(settings, name, default)


conf: Final = Conf()
