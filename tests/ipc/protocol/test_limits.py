"""The protocol's own limits, which the reference documents."""

from dataclasses import asdict

from ipc.protocol.limits import Limits


def test_the_defaults_are_the_protocols() -> None:
    limits = asdict(Limits())
    assert (
        limits
        | {
            "frame_bytes": 1_048_576,
            "data_bytes": 262_144,
            "data_depth": 64,
            "messages_per_frame": 512,
            "patterns_per_session": 256,
            "groups_per_service": 100,
            "sessions_per_service": 1_000,
            "outbox_bytes": 8_388_608,
            "outbox_messages": 32_768,
            "heartbeat_ms": 25_000,
            "auth_timeout_ms": 5_000,
        }
        == limits
    )
