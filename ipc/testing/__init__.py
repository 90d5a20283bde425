"""Testing what a service does with events, without a server: `TestBus` and what it tells about what happened.

Everything but the stores is what runs in production: the hub, its sessions and groups, the protocol and the worker.
"""

from ipc.testing.bus import TestBus
from ipc.testing.emitted import Emitted
from ipc.testing.failures import HandlerFailure

__all__ = ["Emitted", "HandlerFailure", "TestBus"]
