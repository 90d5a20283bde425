"""The sizes that bound what one session may send and what may wait for it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes, times in milliseconds; the defaults are the protocol's."""

    frame_bytes: int = 1024 * 1024
    data_bytes: int = 256 * 1024
    data_depth: int = 64
    messages_per_frame: int = 512
    patterns_per_session: int = 256
    groups_per_service: int = 100
    sessions_per_service: int = 1_000
    calls_per_session: int = 1_024
    calls_per_owner: int = 256
    breaker_failures: int = 5
    breaker_pause_ms: int = 5_000
    outbox_bytes: int = 8 * 1024 * 1024
    outbox_messages: int = 32_768
    window_bytes: int = 4 * 1024 * 1024
    heartbeat_ms: int = 25_000
    rate_max: int = 1_000
    rate_exempt_max: int = 600_000
    rate_window_ms: int = 60_000
    auth_timeout_ms: int = 5_000
    strangers: int = 500
    strangers_per_address: int = 100
    drain_ms: int = 10_000
