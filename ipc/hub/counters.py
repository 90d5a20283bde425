"""What a hub counts about itself since it started."""

from dataclasses import dataclass, field

from ipc.hub.tallies import Tallies
from ipc.protocol.codes import ErrorCode


@dataclass(slots=True)
class Counters:
    """Plain totals; every failure that is survived has one. ``named`` counts by services, events and codes."""

    named: Tallies = field(default_factory=Tallies, repr=False)

    frames_received: int = 0
    messages_refused: int = 0
    events_appended: int = 0
    events_repeated: int = 0
    appends_failed: int = 0
    events_delivered: int = 0
    events_filtered: int = 0
    events_drifted: int = 0
    filters_failed: int = 0
    sessions_behind: int = 0
    pushes_sent: int = 0
    pushes_spared: int = 0
    pushes_failed: int = 0
    pushes_received: int = 0
    pushes_unknown: int = 0
    gaps_found: int = 0
    logs_lost_track: int = 0
    catch_ups_failed: int = 0
    listens_failed: int = 0
    reconciles_failed: int = 0
    registrations_failed: int = 0
    sessions_too_slow: int = 0
    sessions_expired: int = 0
    sessions_revoked: int = 0
    sessions_disconnected: int = 0
    messages_limited: int = 0
    limits_unknown: int = 0
    deliveries_shut_out: int = 0
    calls_shut_out: int = 0
    tokens_refused: int = 0
    tokens_renewed: int = 0
    revocation_looks_failed: int = 0
    deliveries_sent: int = 0
    deliveries_acked: int = 0
    deliveries_failed: int = 0
    deliveries_timed_out: int = 0
    deliveries_adopted: int = 0
    deliveries_trimmed: int = 0
    deliveries_taken_over: int = 0
    deliveries_spared: int = 0
    deliveries_dead: int = 0
    groups_recreated: int = 0
    calls_begun: int = 0
    calls_failed: int = 0
    calls_repeated: int = 0
    replies_late: int = 0
    interhub_failed: int = 0
    claims_failed: int = 0
    group_steps_failed: int = 0
    statistics_failed: int = 0
    chores_failed: int = 0

    def refuse(self, service: str | None, code: ErrorCode, number: int = 1) -> None:
        """Count messages that a service was refused, or whoever it was, and why."""
        self.messages_refused += number
        self.named.refuse(service, code, number)
