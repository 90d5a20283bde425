"""The rate budgets: what each service has used of what it may send in any window, and what was refused."""

from collections.abc import Mapping
from itertools import product
from typing import Any, Final, NamedTuple

from asgiref.sync import async_to_sync
from django.http import HttpRequest

from bridge.console.page import ConsolePage
from ipc.django_app.conf import conf
from ipc.django_app.runtime import running_hub, running_redis
from ipc.hub.hub import Hub
from ipc.protocol.services import PREFIX, SERVICES, short_name
from ipc.protocol.statistics import USUAL_WINDOW, WINDOWS, window_of
from ipc.stores.rate_limit import WARN_AT, Budget, RateLimits

FULL: Final = 100


class BudgetRow(NamedTuple):
    """A budget and what is used of it; ``kept`` is lent to hubs, ``peak`` the most in one second of the window."""

    service: str
    is_exempt: bool
    maximum: int
    used: int
    kept: int
    remaining: int
    peak: int
    instances: int

    @property
    def percent(self) -> int:
        """How much is used, in hundredths."""
        return min(FULL, round(FULL * self.used / self.maximum))

    @property
    def state(self) -> str:
        """How bad that is."""
        return "bad" if self.used >= self.maximum else "warn" if self.used >= self.maximum * WARN_AT else "good"


class RefusedRow(NamedTuple):
    """What a service was refused in the window, by codes, those of most first; nobody is whoever proved nothing.

    Of strangers ``service`` is the one that they wanted to be.
    """

    service: str
    total: int
    codes: list[tuple[str, int]]


class LimitsPage(ConsolePage):
    """The budgets of all services."""

    template = "console/limits.html"
    title = "Limits"

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:  # noqa: ARG002 - no parts
        """Return those that are used or may be, the fullest first, and what services were refused in a window.

        Raises:
            BadMessageError: there is no such window.

        """
        hub = running_hub()
        window = window_of(request.GET.get("window", str(USUAL_WINDOW)))
        rows = async_to_sync(_rows)(hub)
        figures = async_to_sync(hub.figures.window)(window)
        return {
            "rows": sorted(rows, key=lambda row: (-row.percent, -row.used, row.service)),
            "quiet": [short_name(name) for name in SERVICES if short_name(name) not in {row.service for row in rows}],
            "is_on": conf.rate_limit,
            "window_s": hub.limits.rate_window_ms / 1000,
            "maximum": hub.limits.rate_max,
            "exempt_maximum": hub.limits.rate_exempt_max,
            "refused": rows_of({code.code: code.refused for code in figures.codes}),
            "strangers": rows_of({code.code: code.strangers for code in figures.codes}),
            "window": window,
            "windows": WINDOWS,
            "seconds": figures.seconds,
        }


def rows_of(refused: Mapping[str, Mapping[str, int]]) -> list[RefusedRow]:
    """Return what was refused by code and service, a row for each service, those that were refused most first."""
    found: dict[str, list[tuple[str, int]]] = {}
    for code, numbers in refused.items():
        for service, number in numbers.items():
            found.setdefault(service, []).append((code, number))
    rows = [
        RefusedRow(
            service.removeprefix(PREFIX), sum(number for _, number in codes), sorted(codes, key=lambda each: -each[1])
        )
        for service, codes in found.items()
    ]
    return sorted(rows, key=lambda row: (-row.total, row.service))


async def _rows(hub: Hub) -> list[BudgetRow]:
    attached: dict[tuple[str, bool], int] = {}
    for registration in await hub.registry.list():
        key = (registration.service, registration.is_rate_exempt)
        attached[key] = attached.get(key, 0) + 1
    kinds = list(product(SERVICES, (False, True)))
    budgets = [Budget.of(service, hub.limits, is_exempt=is_exempt) for service, is_exempt in kinds]
    store = RateLimits(running_redis())
    standings = await store.look(budgets)
    peaks = await store.peaks(budgets)
    return [
        BudgetRow(
            service=short_name(service),
            is_exempt=is_exempt,
            maximum=budget.maximum,
            used=found.total,
            kept=found.kept,
            remaining=budget.remaining(found),
            peak=peak,
            instances=attached.get((service, is_exempt), 0),
        )
        for (service, is_exempt), budget, found, peak in zip(kinds, budgets, standings, peaks, strict=True)
        if found.total or found.kept or (service, is_exempt) in attached
    ]
