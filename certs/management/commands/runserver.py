"""`manage.py runserver`: daphne with TLS on a service's own port."""

import os
from argparse import ArgumentParser
from functools import partial
from typing import Any

from daphne.management.commands.runserver import Command as DaphneCommand
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import OperationalError, connections
from django.utils import autoreload

from certs.errors import CertificateError, InvalidNameError
from certs.listening import ListenError
from certs.names import resolve, short_name
from certs.reloading import run_with_reload
from certs.server import HTTPServerManager, HTTPSServerManager


class Command(DaphneCommand):  # type: ignore[misc]  # daphne has no types
    """Serve the bridge or another service of the project; reloads on changes unless --noreload."""

    manager: HTTPServerManager | None = None
    help = "Serve a service with TLS on its port (the bridge's, or --service timeline)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options beside daphne's."""
        super().add_arguments(parser)
        parser.add_argument("--service", help="the service to serve (EXPRSN_SERVICE, or the bridge)")
        parser.add_argument("--no-tls", action="store_true", help="plain HTTP and WebSocket, and no redirect")
        parser.add_argument("--redirect-port", type=int, help="the plain port that redirects (REDIRECT_PORTS)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Choose the service before its application is loaded, then serve."""
        if not options["use_asgi"]:
            raise CommandError("--noasgi is not available: the services need ASGI")
        self.service = _choose_service(options["service"])
        self.tls = settings.TLS_ENABLED and not options["no_tls"]
        if not self.tls:
            _allow_plain()
        self.redirect_port = options["redirect_port"]
        if self.redirect_port is None:
            self.redirect_port = getattr(settings, "REDIRECT_PORTS", {}).get(self.service)
        self.default_port = str(settings.SERVICE_PORTS[self.service])
        host = settings.BIND_HOST.strip("[]")
        if ":" in host and not options["addrport"]:
            self.default_addr_ipv6, options["use_ipv6"] = host, True
        else:
            self.default_addr = host
        for limit in ("websocket_max_message_size", "websocket_max_frame_size"):
            # The bridge itself refuses what is over IPC_MAX_FRAME, with an error that says so; this is the hard stop.
            if options[limit] is None:
                options[limit] = 2 * settings.IPC_MAX_FRAME
        super().handle(*args, **options)

    def run(self, **options: Any) -> None:
        """Serve, in a child process that is started again on changes or in this one."""
        if options["use_reloader"]:
            run_with_reload(partial(self.inner_run, None, **options), self._stop)
        else:
            self.inner_run(None, **options)

    def inner_run(self, *_args: Any, **options: Any) -> None:
        """Check the project and serve until stopped."""
        autoreload.raise_last_exception()
        try:
            self.manager = self._manager()
            if not options["skip_checks"]:
                self.check(display_num_errors=True)
            self._warn_of_migrations()
            self.manager.start(
                self.get_application(options),
                on_listening=self._announce,
                signal_handlers=not options["use_reloader"],
                action_logger=self.log_action,
                http_timeout=self.http_timeout,
                # As for sockets above, and as `exprsn.bodies` has it for every server.
                max_body_bytes=2 * settings.IPC_MAX_FRAME,
                # Which server this is, is nobody's business.
                server_name="",
                root_path=settings.FORCE_SCRIPT_NAME or "",
                websocket_handshake_timeout=self.websocket_handshake_timeout,
                websocket_max_message_size=self.websocket_max_message_size,
                websocket_max_frame_size=self.websocket_max_frame_size,
            )
        except (CertificateError, ListenError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from error

    def log_action(self, protocol: str, action: str, details: dict[str, Any]) -> None:
        """Log a request without its query, which may hold what is nobody's business."""
        super().log_action(protocol, action, {**details, "path": details["path"].partition("?")[0]})

    def _manager(self) -> HTTPServerManager:
        if self.tls:
            manager = HTTPSServerManager(self.service, int(self.port), self.redirect_port, host=self.addr)
            # For the application, which would warn of a server that does not ask.
            settings.SERVER_ASKS_CLIENTS = manager.asks_clients
            return manager
        return HTTPServerManager(int(self.port), host=self.addr)

    def _stop(self) -> None:
        if self.manager is not None:
            self.manager.stop()

    def _warn_of_migrations(self) -> None:
        try:
            self.check_migrations()
        except OperationalError as error:
            self.stderr.write(f"the database cannot be reached, so its migrations were not checked: {error}")
        for connection in connections.all(initialized_only=True):
            connection.close()

    def _announce(self, port: int, redirect_port: int | None) -> None:
        host = f"[{self.addr}]" if self._raw_ipv6 else self.addr
        line = f"exprsn-{self.service}: {'https' if self.tls else 'http'}://{host}:{port}/"
        if redirect_port is not None:
            line += f", and http://{host}:{redirect_port}/ redirects there"
        self.stdout.write(f"{line}; CONTROL-C stops it")
        self.stdout.flush()


def _choose_service(name: str | None) -> str:
    """Return the short name of the service to serve, and tell the settings, which the application is about to read."""
    try:
        service = short_name(resolve(name or settings.EXPRSN_SERVICE, settings.CERTS_SERVICES))
    except InvalidNameError as error:
        raise CommandError(str(error)) from error
    if service not in settings.SERVICE_PORTS:
        raise CommandError(f"there is no port for {service!r} in SERVICE_PORTS: it cannot be served")
    os.environ["EXPRSN_SERVICE"] = settings.EXPRSN_SERVICE = service
    return service


def _allow_plain() -> None:
    """Take back what would send each plain request to HTTPS, or keep its cookies for HTTPS."""
    os.environ["TLS_ENABLED"] = "false"
    settings.TLS_ENABLED = settings.SECURE_SSL_REDIRECT = False
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False
    for name in ("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME"):
        setattr(settings, name, getattr(settings, name).removeprefix("__Host-"))
