"""Keeping what an instance says of itself small enough to be written down again and again."""

from dataclasses import replace
from typing import Final

import msgspec

from ipc.stores.registry import Registration

MAX_BYTES: Final = 128 * 1024


def fitting(registration: Registration) -> Registration:
    """Return a registration without its conditions and shapes, if it is too large with them, and say so in it."""
    if not any(hearing.where is not None or hearing.select is not None for hearing in registration.hears):
        return registration
    if len(msgspec.json.encode(registration)) <= MAX_BYTES:
        return registration
    return replace(
        registration,
        hears=tuple(
            msgspec.structs.replace(hearing, where=None, select=None, is_cut=True)
            if hearing.where is not None or hearing.select is not None
            else hearing
            for hearing in registration.hears
        ),
    )
