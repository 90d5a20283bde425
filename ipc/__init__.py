"""The library that every Exprsn service installs: `IPCWorker`, the context of an event, and the errors.

Importing it needs neither Django nor the network.
"""

from ipc.dispatch import EventContext
from ipc.members import Reject
from ipc.protocol.errors import (
    BadMessageError,
    ConnectionClosedError,
    DeadlineError,
    ForbiddenError,
    IPCError,
    NotBuiltError,
    UnauthenticatedError,
    UnavailableError,
    UnknownServiceError,
    UnknownTargetError,
)
from ipc.worker import IPCWorker

__all__ = [
    "BadMessageError",
    "ConnectionClosedError",
    "DeadlineError",
    "EventContext",
    "ForbiddenError",
    "IPCError",
    "IPCWorker",
    "NotBuiltError",
    "Reject",
    "UnauthenticatedError",
    "UnavailableError",
    "UnknownServiceError",
    "UnknownTargetError",
]
