"""What has to be so before anything is started: a writable var/, free ports, a database, certificates, an admin."""

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from django.contrib.auth import get_user_model
from django.core.management import call_command

from exprsn import environment

HOST: Final = "127.0.0.1"
ADMIN: Final = "admin"

Say = Callable[[str], None]


class PreparationError(Exception):
    """Something is not as it has to be; the message says what and what to do, in one sentence."""


def check_writable(directory: Path) -> None:
    """Make the directory where everything is written, or say why that is not possible.

    Raises:
        PreparationError: it cannot be made or written.

    """
    probe = directory / f".writable.{os.getpid()}"
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise PreparationError(
            f"{directory} cannot be written ({error.strerror}): give yourself the right to, or set VAR_DIR to another"
            " directory"
        ) from error


def check_ports_free(ports: Mapping[str, int]) -> None:
    """Look whether the ports, by the variable that sets each, can be listened on.

    Raises:
        PreparationError: one is taken.

    """
    for variable, port in ports.items():
        with socket.socket() as probe:
            # As the servers do it: a port whose last connections are only just closed is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
                probe.listen()
            except OSError as error:
                raise PreparationError(
                    f"port {port} is not free ({error.strerror}): `ss -ltnp 'sport = :{port}'` or `lsof -i :{port}` "
                    f"tells who has it; stop that program, or choose another port with {variable}"
                ) from error


def prepare_database(say: Say) -> None:
    """Bring the database's tables up to date."""
    say("database: tables are brought up to date")
    call_command("migrate", verbosity=0, interactive=False)


def prepare_certificates(say: Say) -> None:
    """Make the certificates that are missing or about to expire."""
    say("certificates: those missing or about to expire are made")
    with Path(os.devnull).open("w") as nothing:
        call_command("gencerts", stdout=nothing)


def prepare_admin(secrets_dir: Path) -> str | None:
    """Make the administrator of a development machine once.

    Returns:
        The password, or None when the administrator has been given another one since.

    """
    password = environment.secret(
        "ADMIN_PASSWORD", file=secrets_dir / "admin_password", may_create=True, random_bytes=15
    )
    users = get_user_model().objects
    admin = users.filter(username=ADMIN).first()
    if admin is None:
        users.create_superuser(username=ADMIN, email="", password=password)
        return password
    return password if admin.check_password(password) else None


def write_secret(file: Path, content: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(content)
    draft.replace(file)
