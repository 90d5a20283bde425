"""The Django app: registers the checks, and knows the relay and the runtime of this process."""

from typing import TYPE_CHECKING, Any, Protocol, cast

from django.apps import AppConfig, apps

if TYPE_CHECKING:
    from ipc.django_app.relay import Relay


class Runtime(Protocol):
    """What runs beside the ASGI application and can say how it is."""

    async def health(self) -> dict[str, dict[str, Any]]:
        """Return the state of each part, such as ``{"redis": {"ok": True}, "worker": {"ok": True}}``."""
        ...


class IPCConfig(AppConfig):
    """The app ``ipc``; the runtime sets ``relay`` and ``runtime`` while it runs."""

    name = "ipc.django_app"
    label = "ipc"
    verbose_name = "IPC"
    default_auto_field = "django.db.models.BigAutoField"
    relay: "Relay | None" = None
    runtime: Runtime | None = None

    def ready(self) -> None:
        """Register the system checks, and hear of logins."""
        from ipc.django_app.checks import register_checks
        from ipc.django_app.logins import connect_signals

        register_checks()
        connect_signals()

    def wake_relay(self) -> None:
        """Tell this process's relay, from any thread, that there is something to send."""
        relay = self.relay
        if relay is not None:
            relay.wake()


def ipc_config() -> IPCConfig:
    """Return the app of this process."""
    return cast(IPCConfig, apps.get_app_config("ipc"))
