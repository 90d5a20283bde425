"""Every address of the bridge's HTTP API as a table, for the tests of who may use which."""

from dataclasses import dataclass, field
from typing import Any

from ipc.protocol.ids import new_ulid

OK = (200, None)


@dataclass(frozen=True, kw_only=True)
class Address:
    """One address, what it needs, and what it answers to whoever may use it.

    ``needs`` is the permission of a service, None where any token will do; ``as_spark`` asks for what is another
    service's; ``is_open_here`` says that a development machine needs no proof.
    """

    route: str
    method: str
    path: str
    body: Any = None
    answer: tuple[int, str | None] = OK
    needs: str | None = None
    as_spark: tuple[str, Any] | None = None
    is_open_here: bool = False
    is_for_operators: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


_ALL = {"all": True}
_REASON = {"all": True, "reason": "a test"}
ADDRESSES = [
    Address(route="stats", method="GET", path="stats", is_open_here=True),
    Address(route="service-list", method="GET", path="services", is_open_here=True),
    Address(route="asyncapi", method="GET", path="asyncapi.json", is_open_here=True),
    Address(
        route="explain", method="POST", path="explain", body={"event": "a:b"},
        as_spark=("", {"event": "a:b", "source": "spark"}),
    ),
    Address(route="jsonlex", method="POST", path="jsonlex", body={"expression": 1}, needs="jsonlex"),
    Address(
        route="emit", method="POST", path="emit", body={"event": "proof:given"}, needs="emit:proof:*",
        as_spark=("?service=spark", None),
    ),
    Address(
        route="call", method="POST", path="call", body={"resource": "nothing", "op": "read"}, answer=(503, "NO_OWNER"),
        needs="call:nothing.read", as_spark=("?service=spark", None),
    ),
    Address(route="positions", method="GET", path="positions?since=1h", as_spark=("&service=spark", None)),
    Address(route="group-list", method="GET", path="groups"),
    Address(
        route="event", method="GET", path="events/none", answer=(404, "EVENT_NOT_FOUND"),
        as_spark=("?source=spark", None),
    ),
    Address(
        route="dead-letter-list", method="GET", path="dead-letters", needs="subscribe:*",
        as_spark=("?service=spark", None),
    ),
    Address(
        route="dead-letter-redrive", method="POST", path="dead-letters/redrive", body=_ALL, needs="subscribe:*",
        as_spark=("", {"service": "spark"}),
    ),
    Address(
        route="dead-letter-discard", method="POST", path="dead-letters/discard", body=_REASON, needs="subscribe:*",
        as_spark=("", {**_REASON, "service": "spark"}),
    ),
    Address(
        route="dead-letter", method="GET", path="dead-letters/herald/none/1-0", answer=(404, "NOT_FOUND"),
        needs="subscribe:*",
    ),
    Address(route="operation-list", method="GET", path="operations", is_for_operators=True),
    Address(
        route="operation-cancel", method="POST", path="operations/01M8CV83KQ61K6KGNMMY3EE18P/cancel",
        answer=(404, "NOT_FOUND"), is_for_operators=True,
    ),
    Address(route="token-list", method="GET", path="tokens", is_for_operators=True),
    Address(
        route="token-revoke", method="POST", path="tokens/revoke", body={"service": "svr"}, is_for_operators=True
    ),
    Address(route="token", method="DELETE", path=f"tokens/{new_ulid()}", is_for_operators=True),
]  # fmt: skip
