"""Our bridge as the benchmark starts it: everything on, nobody asked for a token, its files in a folder of its own."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Final

from bench.servers import ROOT, Server, ServerError, Tls, last_line, redis_url, start_asgi

CERTS_TIMEOUT_S: Final = 60.0
# As docs/howto/run-behind-uvicorn.md says it.
FRAMES: Final = "bridge.doors.frames:FrameProtocol"


async def start_ours(name: str, valkey: Server, *, server: str, folder: Path, tls: Tls | None = None) -> Server:
    """Start the bridge under ``uvicorn`` or ``daphne``.

    Raises:
        ServerError: it does not start.

    """
    env = {**ours_env(folder / "var"), "REDIS_URL": redis_url(valkey)}
    return await start_asgi(name, "exprsn.asgi:application", server=server, folder=folder, env=env, tls=tls, ws=FRAMES)


def ours_env(folder: Path) -> dict[str, str]:
    """Return the environment of our bridge with its files in a folder of its own."""
    return {
        "EXPRSN_ENV": "development",
        "DJANGO_SETTINGS_MODULE": "exprsn.settings",
        "EXPRSN_SERVICE": "bridge",
        "DEV_BYPASS": "true",
        "IPC_BYPASS_AUTH": "true",
        # Limited as in production, but by a budget that no load uses up.
        "IPC_RATE_MAX": "1000000000",
        "DEBUG": "false",
        "BIND_HOST": "127.0.0.1",
        "BRIDGE_URL": "",
        "DATABASE_URL": "",
        "TLS_ENABLED": "false",
        "VAR_DIR": str(folder),
        "LOG_LEVEL": "WARNING",
    }


async def make_certificate(folder: Path) -> Tls:
    """Return a certificate for 127.0.0.1, made by the project's own CA in a folder of its own.

    Raises:
        ServerError: it could not be made.

    """
    certs, log = folder / "certs", folder / "gencerts.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "manage.py", "gencerts", "--service", "bridge"),
            cwd=ROOT,
            env={**os.environ, **ours_env(folder / "var"), "CERTS_DIR": str(certs)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            code = await asyncio.wait_for(process.wait(), CERTS_TIMEOUT_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if code:
        raise ServerError(f"manage.py gencerts failed: {last_line(log)}")
    return Tls(certs / "exprsn-bridge-cert.pem", certs / "exprsn-bridge-key.pem", certs / "ca-cert.pem")
