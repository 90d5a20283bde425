"""The whole system on a development machine, from the first check to the last process that ends."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import redis
from django.conf import settings

from exprsn import environment as env
from exprsn.embedded import ValkeyError, ValkeyHome
from exprsn.filelock import AlreadyLockedError, FileLock
from exprsn.supervision import preparation, programs
from exprsn.supervision.banner import banner
from exprsn.supervision.child import Program
from exprsn.supervision.health import https_client
from exprsn.supervision.output import PrefixedOutput
from exprsn.supervision.preparation import PreparationError
from exprsn.supervision.programs import SAMPLES, Layout
from exprsn.supervision.supervisor import SupervisionError, Supervisor
from ipc.protocol.errors import BadMessageError
from ipc.stores.connection import check_url, without_password

OWN_NAME: Final = "up"
REDIS_TIMEOUT_S: Final = 3.0
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Work = Callable[[Layout], Awaitable[int]]


class System:
    """Prepares, starts, watches and stops everything.

    Args:
        screen: where this program's own lines go.
        logs: where the lines of the services go.

    """

    def __init__(self, *, screen: PrefixedOutput, logs: PrefixedOutput) -> None:
        self._screen = screen
        self._var_dir = Path(settings.VAR_DIR)
        self._supervisor = Supervisor(logs)
        self._home = None if settings.REDIS_URL else ValkeyHome(self._var_dir / "valkey", port=_valkey_port())
        self._redis_url_file = self._var_dir / "secrets" / "redis_url"
        self._admin_password: str | None = None
        self._is_stopping = False

    def run(self, work: Work | None = None) -> int:
        """Run everything until Ctrl-C or SIGTERM, or until ``work`` is done.

        Returns:
            The exit code: 0 when it was stopped, 1 when a program ended by itself, otherwise what ``work`` returned.

        Raises:
            PreparationError: something is not as it has to be; nothing was started.

        """
        if not settings.IN_DEVELOPMENT:
            raise PreparationError("this runs a development machine: set EXPRSN_ENV=development (`make` does, in .env)")
        preparation.check_writable(self._var_dir)
        try:
            with FileLock(self._var_dir / "run.lock"):
                self._prepare()
                return asyncio.run(self._run(work))
        except AlreadyLockedError as error:
            raise PreparationError(
                f"the system already runs from {self._var_dir}, as process {error.pid}: stop that one first"
            ) from error

    def _prepare(self) -> None:
        preparation.check_ports_free(
            {
                "BRIDGE_PORT": settings.SERVICE_PORTS["bridge"],
                "TIMELINE_PORT": settings.SERVICE_PORTS["timeline"],
                "TIMELINE_REDIRECT_PORT": settings.REDIRECT_PORTS["timeline"],
            }
        )
        if self._home is None:
            _check_redis(settings.REDIS_URL)
        preparation.prepare_certificates(self._say)
        preparation.prepare_database(self._say)
        self._admin_password = preparation.prepare_admin(self._var_dir / "secrets")

    async def _run(self, work: Work | None) -> int:
        main = asyncio.create_task(self._until_stopped(work), name="main")

        def on_signal() -> None:
            if self._is_stopping:
                self._supervisor.hurry()
            else:
                self._is_stopping = True
                self._say("stopping (once more: at once)")
                main.cancel()

        for number in STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, on_signal)
        return await main

    async def _until_stopped(self, work: Work | None) -> int:
        try:
            return await self._start_and_work(work)
        except asyncio.CancelledError:
            return 0
        except (SupervisionError, ValkeyError) as error:
            self._say(str(error))
            return 1
        finally:
            self._is_stopping = True
            self._redis_url_file.unlink(missing_ok=True)
            await self._supervisor.stop()
            if self._home is not None:
                self._home.release()
            self._say("everything is stopped")

    async def _start_and_work(self, work: Work | None) -> int:
        if self._home is not None:
            self._home.prepare()
            await self._start(programs.valkey(self._home, os.environ))
            preparation.write_secret(self._redis_url_file, self._home.url)
        layout = _layout(self._home.url if self._home else settings.REDIS_URL)
        await self._start_services(layout)
        if work is not None:
            return await self._while_all_run(work(layout))
        told = banner(
            layout,
            redis=self._redis_in_words(),
            admin_password=self._admin_password,
            asks_for_certificates=settings.IPC_MTLS,
        )
        self._screen.write(told)
        await self._supervisor.watch()
        return 0

    async def _start_services(self, layout: Layout) -> None:
        async with https_client(layout.certs_dir) as client:
            # Two stages, so that they stop one after the other, but they come up together.
            self._say("starting bridge")
            await self._supervisor.start(programs.bridge(layout, client, os.environ))
            await self._start(programs.timeline(layout, client, os.environ))
            await self._start(*(programs.sample(name, layout, client, os.environ) for name in SAMPLES))

    async def _start(self, *stage: Program) -> None:
        self._say(f"starting {', '.join(program.name for program in stage)}")
        await self._supervisor.start(*stage)
        await self._supervisor.until_ready()

    async def _while_all_run(self, work: Awaitable[int]) -> int:
        working = asyncio.ensure_future(work)
        watching = asyncio.ensure_future(self._supervisor.watch())
        try:
            await asyncio.wait([working, watching], return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                await watching
            return await working
        finally:
            for task in (working, watching):
                task.cancel()
            await asyncio.gather(working, watching, return_exceptions=True)

    def _redis_in_words(self) -> str:
        if self._home is None:
            return f"{without_password(settings.REDIS_URL)} (REDIS_URL)"
        return f'embedded Valkey; for other programs: export REDIS_URL="$(cat {self._redis_url_file})"'

    def _say(self, text: str) -> None:
        self._screen.line(OWN_NAME, text)


def _layout(redis_url: str) -> Layout:
    return Layout(
        root=settings.BASE_DIR,
        certs_dir=settings.CERTS_DIR,
        bridge_port=settings.SERVICE_PORTS["bridge"],
        timeline_port=settings.SERVICE_PORTS["timeline"],
        timeline_redirect_port=settings.REDIRECT_PORTS["timeline"],
        redis_url=redis_url,
    )


def _check_redis(url: str) -> None:
    try:
        check_url(url)
        with redis.Redis.from_url(
            url, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S
        ) as client:
            client.ping()
    except BadMessageError as error:
        raise PreparationError(f"REDIS_URL: {error.message}") from error
    except (redis.RedisError, OSError) as error:
        raise PreparationError(
            f"REDIS_URL {without_password(url)} does not answer ({error}): start that server, or unset REDIS_URL for an"
            " embedded one"
        ) from error


def _valkey_port() -> int:
    return env.port("VALKEY_PORT", 0, lowest=0)
