"""Joining the mesh from a Redis URL: the client, the channel layer and the hub, put together and taken down."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Self

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ipc.hub.hub import Hub
from ipc.hub.keeper import Keeper
from ipc.hub.pushes import ChannelLayer
from ipc.hub.stores import Stores
from ipc.protocol.errors import ConfigurationError
from ipc.protocol.limits import Limits
from ipc.stores.audit import Audit
from ipc.stores.connection import COMMAND_TIMEOUT_S, CONNECT_TIMEOUT_S, connect
from ipc.stores.dead_letters import DeadLetters
from ipc.stores.declarations import Declarations
from ipc.stores.eventlog import EventLog
from ipc.stores.group_states import GroupStates
from ipc.stores.groups import Groups
from ipc.stores.ledger import Ledger
from ipc.stores.operations import Operations, RedisOperationIndex
from ipc.stores.rate_limit import RateLimits
from ipc.stores.registry import Registry
from ipc.stores.resources import Resources
from ipc.stores.shares import Shares
from ipc.stores.statistics import Statistics
from ipc.stores.token_records import TokenRecords
from ipc.stores.tokens import BrokerTokenManager

logger = logging.getLogger(__name__)


class Mesh:
    """A hub with all that it stands on, for one event loop.

    Args:
        redis_url: the Redis or Valkey that holds the logs.
        limits: the sizes that sessions are held to.
        log_maxlen: events that a log keeps.
        log_ttl_s: seconds that a log keeps events.
        needs_persistence: whether a Redis that writes nothing to disk is worth a warning.
        announces: whether the hub tells the mesh which services come and go.
        make_tokens: returns what knows broker tokens, where a door of this process takes them.
        limits_rates: whether services may send only so many messages.

    """

    def __init__(
        self,
        redis_url: str,
        *,
        limits: Limits | None = None,
        log_maxlen: int = 100_000,
        log_ttl_s: int = 86_400,
        needs_persistence: bool = True,
        announces: bool = True,
        make_tokens: Callable[[Redis], BrokerTokenManager] | None = None,
        limits_rates: bool = False,
    ) -> None:
        self.redis = connect(redis_url)
        self.keeper = Keeper(self.redis, needs_persistence=needs_persistence)
        self._layer = _channel_layer(redis_url)
        self.hub = Hub(
            stores=redis_stores(self.redis, log_maxlen=log_maxlen, log_ttl_s=log_ttl_s),
            channel_layer=self._layer,
            limits=limits,
            announces=announces,
            tokens=make_tokens(self.redis) if make_tokens is not None else None,
            rate_limits=RateLimits(self.redis) if limits_rates else None,
        )

    async def start(self) -> Self:
        """Start the hub; Redis may still be out of reach."""
        await self.hub.start()
        self.keeper.start()
        return self

    async def stop(self) -> None:
        """Stop the hub and close all connections to Redis."""
        await self.keeper.stop()
        await self.hub.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                await self._layer.flush()
        await self.redis.aclose()


def redis_stores(redis: Redis, *, log_maxlen: int = 100_000, log_ttl_s: int = 86_400) -> Stores:
    """Return the stores in one Redis: how many events a log keeps, and for how many seconds."""
    return Stores(
        eventlog=EventLog(redis, maxlen=log_maxlen, ttl_s=log_ttl_s),
        groups=Groups(redis),
        dead_letters=DeadLetters(redis),
        ledger=Ledger(redis),
        registry=Registry(redis),
        resources=Resources(redis),
        shares=Shares(redis),
        group_states=GroupStates(redis),
        statistics=Statistics(redis),
        declarations=Declarations(redis),
        operations=Operations(TokenRecords(redis), Audit(redis), RedisOperationIndex(redis)),
    )


class _OutageInOneLine(logging.Filter):
    """Takes the traceback from what the channel layer logs, once a second, while Redis is away: that is foreseen."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the record; nothing is held back."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, RedisError | OSError):
            record.msg, record.args, record.exc_info = "%s: %s", (record.getMessage(), error), None
        return True


_outage_in_one_line = _OutageInOneLine()


class _FlushableLayer(ChannelLayer):
    async def flush(self) -> None: ...


def _channel_layer(redis_url: str) -> _FlushableLayer:
    # Imported late: Channels imports Django, which `import ipc` must not need.
    try:
        from channels_redis.pubsub import RedisPubSubChannelLayer
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"to be in the mesh itself, as REDIS_URL asks for, a process needs {error.name}: install exprsn-ipc[mesh],"
            " or go through a bridge with BRIDGE_URL"
        ) from error

    logging.getLogger("channels_redis.pubsub").addFilter(_outage_in_one_line)
    layer: _FlushableLayer = RedisPubSubChannelLayer(
        hosts=[
            {
                "address": redis_url,
                "socket_connect_timeout": CONNECT_TIMEOUT_S,
                "socket_timeout": COMMAND_TIMEOUT_S,
            }
        ],
        prefix="ipc",
    )
    return layer
