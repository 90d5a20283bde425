"""Reading the environment: typed values, and secrets that a development machine makes for itself."""

import os
import secrets
from pathlib import Path
from typing import Any, Final

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from ipc.logs import level

MAX_PORT: Final = 65_535
MIN_SECRET: Final = 32
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


def text(name: str, default: str = "") -> str:
    """Return a variable, or the default when it is unset or empty."""
    return os.environ.get(name, "").strip() or default


def flag(name: str, *, default: bool = False) -> bool:
    """Return a variable that says true or false.

    Raises:
        ImproperlyConfigured: it says something else.

    """
    value = os.environ.get(name)
    if value is None:
        return default
    if value.strip().lower() in _TRUE:
        return True
    if value.strip().lower() in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name} is true or false, not {value!r}")


def number(name: str, default: int) -> int:
    """Return a variable that is a whole number of 0 or more.

    Raises:
        ImproperlyConfigured: it is not.

    """
    value = text(name, str(default))
    if not value.isascii() or not value.isdigit():
        raise ImproperlyConfigured(f"{name} is a whole number of 0 or more, not {value!r}")
    return int(value)


def port(name: str, default: int, *, lowest: int = 1) -> int:
    """Return a variable that is a port; ``lowest=0`` where the system may choose one.

    Raises:
        ImproperlyConfigured: it is not.

    """
    value = number(name, default)
    if not lowest <= value <= MAX_PORT:
        raise ImproperlyConfigured(f"{name} is a port, {lowest} to {MAX_PORT}, not {value}")
    return value


def choice(name: str, default: str, *, options: tuple[str, ...], hint: str = "") -> str:
    """Return a variable that is one of some words; the hint is for whoever wants another.

    Raises:
        ImproperlyConfigured: it is another.

    """
    value = text(name, default)
    if value not in options:
        raise ImproperlyConfigured(f"{name} is {' or '.join(options)}, not {value!r}{hint and f': {hint}'}")
    return value


def log_level(name: str, default: str) -> str:
    """Return a variable that is a level of logs.

    Raises:
        ImproperlyConfigured: there is no such level.

    """
    try:
        return level(name, text(name, default))
    except ValueError as error:
        raise ImproperlyConfigured(str(error)) from error


def words(name: str, default: str = "") -> list[str]:
    """Return a variable that is a list divided by commas."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def database(url: str) -> dict[str, Any]:
    """Return the address of a database as Django has it.

    Raises:
        ImproperlyConfigured: it is none. What was found there is not said, since it may be a part of the password.

    """
    try:
        return dict(dj_database_url.parse(url))
    except (ValueError, KeyError):
        raise ImproperlyConfigured(
            "DATABASE_URL is no address of a database: write postgres://user:password@host:5432/name, or"
            " sqlite:///path, and special characters of the password percent-encoded"
        ) from None


def refuse_short(name: str, value: str) -> None:
    """Refuse a secret that could be guessed.

    Raises:
        ImproperlyConfigured: it is too short. What it is is not said.

    """
    if len(value) < MIN_SECRET:
        raise ImproperlyConfigured(
            f"{name} has at least {MIN_SECRET} characters outside development, this one has {len(value)}: set it to"
            ' what `python -c "import secrets; print(secrets.token_urlsafe(48))"` prints'
        )


def secret(name: str, *, file: Path, may_create: bool, random_bytes: int = 48, is_needed: bool = True) -> str:
    """Return a secret from the environment, or in development from a file that is made once, mode 0600.

    Raises:
        ImproperlyConfigured: the variable is unset where a secret may not be made up, and it is needed.

    """
    value = text(name)
    if value or not (may_create or is_needed):
        return value
    if not may_create:
        raise ImproperlyConfigured(
            f"set {name}: outside development there is no default secret. On a development machine set"
            " EXPRSN_ENV=development: is .env a copy of .env.example?"
        )
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = file.with_name(f"{file.name}.{os.getpid()}.tmp")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(secrets.token_urlsafe(random_bytes))
        try:
            # A link fails where another process was first, so that all of them read the same secret.
            os.link(draft, file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return file.read_text().strip()
