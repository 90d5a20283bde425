"""System checks of the project itself, which Django makes for ``check --deploy``."""

import stat
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register  # noqa: A004 - Django's own name


def register_checks() -> None:
    """Hand the checks to Django."""
    register(check_directory, Tags.security, deploy=True)


def check_directory(**_kwargs: Any) -> list[CheckMessage]:
    """``exprsn.W001``: others on this machine may look into ``VAR_DIR``, which has sessions and hashes of passwords."""
    path = Path(settings.VAR_DIR)
    if not path.is_dir() or not stat.S_IMODE(path.stat().st_mode) & 0o077:
        return []
    return [
        Warning(
            f"VAR_DIR, {path}, is open to other users of this machine.",
            hint=f"Close it: chmod 700 {path}",
            id="exprsn.W001",
        )
    ]
