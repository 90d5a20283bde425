"""A plugin that fails a run in whose logs a secret is: a token, a key, a session or a password of one of its tests.

It learns the secrets where they come to be, keeps every line that is logged in this process, and at the end of the
session looks through those lines and through all log files below the session's directory, in which processes that
tests have started write. With pytest-xdist each process does so for itself.
"""

import logging
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

KEYS: Final = (
    *("SECRET_KEY", "IPC_BROKER_KEY", "ADMIN_PASSWORD", "CA_KEY_PASSWORD", "IPC_TOKEN", "IPC_METRICS_TOKEN"),
    "DJANGO_SUPERUSER_PASSWORD",
)
URLS: Final = ("REDIS_URL", "DATABASE_URL", "PREFETCH_REDIS_URL")
MIN_LENGTH: Final = 8
# JSON that begins with an object, in base64: every JWT, whoever has made it (RFC 7519).
JWT: Final = re.compile(r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*")
SIGNATURE: Final = re.compile(r"[\w-]{43,}")
BANNER: Final = ", password "
"""What stands before the administrator's password where `make run` tells it to whoever has started it."""

output = logging.getLogger("tests.output")
"""Where tests put what processes say to them and to no file."""


class Watch:
    """The secrets of a session, and the search for them."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._signatures: set[str] = set()

    def secret(self, text: object) -> None:
        """Remember a secret, unless it is a word that may be in a log for another reason."""
        if isinstance(text, str) and len(text) >= MIN_LENGTH and not (text.isalpha() and len(text) < 2 * MIN_LENGTH):
            self._secrets.add(text)

    def token(self, text: str) -> None:
        """Remember the signature of a token; all of it is found by its form."""
        self._signatures.add(text.rpartition(".")[2])

    def environment(self, variables: Mapping[str, str] | None) -> None:
        """Remember what a process is told that nobody else should know."""
        given = variables or {}
        for name in KEYS:
            for part in str(given.get(name, "")).split(","):
                self.secret(part.strip())
        for name in URLS:
            self.secret(urlsplit(str(given.get(name, ""))).password)

    def leaks(self, root: Path) -> list[str]:
        """Return where below a directory a secret is in a log, without the secret."""
        for file in root.rglob("secrets/*"):
            if file.is_file():
                self.secret(file.read_text(errors="replace").strip())
        found = (self._in_file(file) for file in sorted(root.rglob("*.log")) if file.is_file())
        return [leak for leaks in found for leak in leaks]

    def _in_file(self, file: Path) -> Iterator[str]:
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), start=1):
            if JWT.search(line):
                yield f"{file}:{number}: a token"
            if not self._signatures.isdisjoint(SIGNATURE.findall(line)):
                yield f"{file}:{number}: the signature of a token"
            if any(secret in line for secret in self._secrets) and BANNER not in line:
                yield f"{file}:{number}: a key or a password"


def noticed(patch: pytest.MonkeyPatch, owner: Any, name: str, notice: Callable[..., None]) -> None:
    """Have a function tell of its calls: the result, then the arguments."""
    original = getattr(owner, name)

    def telling(*args: Any, **options: Any) -> Any:
        result = original(*args, **options)
        notice(result, *args, **options)
        return result

    patch.setattr(owner, name, telling)


def learn(watch: Watch, patch: pytest.MonkeyPatch) -> None:
    """Hear of each secret of this process, and of those that it tells others."""
    from django.conf import settings
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.sessions.backends.base import SessionBase

    from ipc.protocol.tokens import TokenKeys
    from ipc.transports.tokens import CertificateTokens

    watch.environment({name: getattr(settings, name, "") for name in KEYS})
    noticed(patch, TokenKeys, "sign", lambda token, *_: watch.token(token))
    noticed(patch, CertificateTokens, "_assertion", lambda assertion, *_: watch.token(assertion))
    noticed(patch, AbstractBaseUser, "set_password", lambda _, _user, password: watch.secret(password))
    noticed(patch, SessionBase, "_get_new_session_key", lambda key, *_: watch.secret(key))
    noticed(patch, subprocess.Popen, "__init__", lambda *_, env=None, **_options: watch.environment(env))


def attached(loggers: Iterable[logging.Logger], file: Path) -> logging.Handler:
    """Have loggers write all that they are told into a file."""
    handler = logging.FileHandler(file, encoding="utf-8", errors="backslashreplace")
    for logger in loggers:
        logger.addHandler(handler)
    return handler


@pytest.fixture(scope="session", autouse=True)
def no_secret_in_logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail at the end of the session if a secret is in a log."""
    root, watch = tmp_path_factory.getbasetemp(), Watch()
    output.propagate = False
    output.setLevel(logging.INFO)
    loggers = (logging.getLogger(), output)
    handler = attached(loggers, root / "in-process.log")
    with pytest.MonkeyPatch.context() as patch:
        learn(watch, patch)
        yield
    for logger in loggers:
        logger.removeHandler(handler)
    handler.close()
    found = watch.leaks(root)
    assert not found, "secrets are in logs:\n" + "\n".join(found[:50])
