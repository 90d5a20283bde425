"""The WebSocket addresses of the bridge; one that no service has gets its refusal with a code, too."""

from typing import Any

from channels.routing import URLRouter
from django.urls import re_path

from bridge.doors.websocket import NativeConsumer

_native: Any = NativeConsumer.as_asgi()

websocket_router = URLRouter([re_path(r"^ipc/(?P<service>[^/]{1,64})/?$", _native), re_path(r"", _native)])
