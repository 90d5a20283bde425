"""Plain Channels as its documentation shows it: a JSON consumer, a group per service, one ``group_send`` per event.

Environment: LAYER (core or pubsub), REDIS_URL.
"""

import os
from typing import Any, Final

import django
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import path

_BACKENDS: Final = {
    # A channel holds 100 messages by default and drops what comes after them, silently; the window is 200 events.
    "core": ("channels_redis.core.RedisChannelLayer", {"capacity": 100_000}),
    "pubsub": ("channels_redis.pubsub.RedisPubSubChannelLayer", {}),
}
_backend, _options = _BACKENDS[os.environ["LAYER"]]

settings.configure(
    SECRET_KEY=os.urandom(16).hex(),
    ALLOWED_HOSTS=["127.0.0.1"],
    INSTALLED_APPS=["channels"],
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": _backend,
            "CONFIG": {
                "hosts": [os.environ["REDIS_URL"]],
                "prefix": f"naive-{os.environ['LAYER']}-{os.getpid()}",
                **_options,
            },
        }
    },
)
django.setup()


class ServiceConsumer(AsyncJsonWebsocketConsumer):
    """One service's socket: takes one message or a list of messages a frame, sends one event a frame."""

    async def connect(self) -> None:
        """Let any service in."""
        self.service: str = self.scope["url_route"]["kwargs"]["service"]
        await self.accept()
        await self.send_json({"type": "welcome"})

    async def receive_json(self, content: Any, **_: Any) -> None:
        """Carry out each message of a frame."""
        for message in content if isinstance(content, list) else [content]:
            if message["type"] == "ping":
                await self.send_json({"type": "pong", "id": message["id"]})
            elif message["type"] == "subscribe":
                await self._subscribe()
            else:
                await self._emit(message)

    async def _subscribe(self) -> None:
        await self.channel_layer.group_add("broadcast", self.channel_name)
        await self.channel_layer.group_add(f"service.{self.service}", self.channel_name)
        await self.send_json({"type": "ok"})

    async def _emit(self, message: dict[str, Any]) -> None:
        target = message.get("target", "broadcast")
        group = target if target == "broadcast" else f"service.{target}"
        event = {"type": "event", "event": message["event"], "source": self.service, "data": message["data"]}
        await self.channel_layer.group_send(group, {"type": "ipc.event", "message": event})

    async def ipc_event(self, event: dict[str, Any]) -> None:
        """Pass an event on to the socket."""
        await self.send_json(event["message"])

    async def disconnect(self, code: int) -> None:  # noqa: ARG002 - the name is Channels'
        """Leave the groups."""
        await self.channel_layer.group_discard("broadcast", self.channel_name)
        await self.channel_layer.group_discard(f"service.{self.service}", self.channel_name)


application = ProtocolTypeRouter(
    {"websocket": URLRouter([path("ipc/<str:service>", ServiceConsumer.as_asgi())])}  # type: ignore[list-item,arg-type] # the stubs know no path() without a view
)
