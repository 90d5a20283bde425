"""The names of those whom the mesh knows by the key of their user only."""

import re
from collections.abc import Iterable
from typing import Final

from django.contrib.auth import get_user_model

_OPERATOR: Final = re.compile(r"operator ([0-9]{1,18})")


def names_of(stored: Iterable[str]) -> dict[str, str]:
    """Return the name of each operator whose user is there, by one question to the database.

    Args:
        stored: what the mesh has kept, such as ``operator 1``; what names no operator has no name here.

    """
    keys = {text: int(found[1]) for text in set(stored) if (found := _OPERATOR.fullmatch(text))}
    if not keys:
        return {}
    users = get_user_model()._default_manager.in_bulk(set(keys.values()))
    return {text: users[key].get_username() for text, key in keys.items() if key in users}


def name_of(stored: str) -> str:
    """Return the name of one operator, empty where there is no such user."""
    return names_of([stored]).get(stored, "")
