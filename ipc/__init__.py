"""The library that every Exprsn service installs: `IPCWorker`, the context of an event, and the errors.

Importing it needs neither Django nor the network.
"""

from ipc.dispatch import EventContext
from ipc.members import Reject
from ipc.operations import Operation
from ipc.protocol.errors import (
    BadMessageError,
    CancelledByOperator,
    ConfigurationError,
    ConflictError,
    ConnectionClosedError,
    DeadlineError,
    ForbiddenError,
    IPCError,
    NoOwnerError,
    NotBuiltError,
    NotFoundError,
    OverloadedError,
    OwnerLostError,
    RateLimitError,
    TokenError,
    UnauthenticatedError,
    UnavailableError,
    UnknownServiceError,
    UnknownTargetError,
    ValidationFailedError,
)
from ipc.resources import CallContext
from ipc.worker import IPCWorker

__all__ = [
    "BadMessageError",
    "CallContext",
    "CancelledByOperator",
    "ConfigurationError",
    "ConflictError",
    "ConnectionClosedError",
    "DeadlineError",
    "EventContext",
    "ForbiddenError",
    "IPCError",
    "IPCWorker",
    "NoOwnerError",
    "NotBuiltError",
    "NotFoundError",
    "Operation",
    "OverloadedError",
    "OwnerLostError",
    "RateLimitError",
    "Reject",
    "TokenError",
    "UnauthenticatedError",
    "UnavailableError",
    "UnknownServiceError",
    "UnknownTargetError",
    "ValidationFailedError",
]
