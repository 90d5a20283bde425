"""What a service asks of its hub: what became of an event, who would hear one, and which services there are."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import UNSET, Raw

from ipc.protocol import codec
from ipc.protocol.delivery_status import EventStatus
from ipc.protocol.discovery import MAX_VERSION, ServiceInfo, version_of
from ipc.protocol.errors import BadMessageError, NotBuiltError, UnavailableError, UnknownServiceError
from ipc.protocol.explanation import Explanation
from ipc.protocol.ids import new_ulid
from ipc.protocol.limits import Limits
from ipc.protocol.messages import MAX_ID_LENGTH, Discover, Explain, JSONLex, Status
from ipc.protocol.patterns import check_event
from ipc.protocol.routing import logs_of_target
from ipc.protocol.services import full_name, meant_by
from ipc.transports.link import Link


class Asker:
    """One instance's way to ask its hub, which changes nothing; `Client` adds what does.

    Args:
        service: the service's name, short or full.
        version: of the service, to be shown; at most 64 characters.

    Raises:
        UnknownServiceError: the catalogue has no such service.
        ValueError: the version is too long, or has characters that no version has.

    """

    def __init__(self, service: str, *, version: str = "") -> None:
        try:
            self.service = full_name(service)
        except UnknownServiceError as error:
            if (meant := meant_by(service)) is None:
                raise
            raise UnknownServiceError(f"{error.message}; did you mean {meant!r}?") from None
        self.version = version
        if version and version_of(version) != version:
            raise ValueError(
                f"a version has 1 to {MAX_VERSION} letters, digits, '.', '-', '+' and '_', not {version!r}"
            )
        self._limits = Limits()
        self._link: Link | None = None

    async def status(
        self, event_id: str, *, source: str | None = None, log: str | None = None, position: str | None = None
    ) -> EventStatus:
        """Return what each group has done with an event, which a ``log`` and ``position`` spare looking for.

        Raises:
            BadMessageError: EVENT_NOT_FOUND, with how far was looked; AMBIGUOUS_EVENT, ask with ``source``.
            ForbiddenError: the event is another service's, which takes the permission ``*``.
            DeadlineError: no answer in time.

        """
        question = Status(id=new_ulid(), event=checked_id(event_id), source=source, log=log, position=position)
        ok = await self._running_link("status").request(question)
        if ok.status is UNSET:
            raise NotBuiltError("the bridge is older than this library: it has no ledger")
        return ok.status

    async def jsonlex(self, expression: Any, context: Any = None) -> Any:
        """Have an expression evaluated by the hub, and return its result; what is no expression comes back as it is.

        Args:
            expression: ``{"__jsonlex": true, "expr": ...}``.
            context: what its variables are looked up in.

        Raises:
            BadMessageError: the expression is wrong or costs too much; ``details`` has the ``pointer``.
            ForbiddenError: this service may not.
            DeadlineError: no answer in time.

        """
        codec.encode_json([expression, context])
        ok = await self._running_link("jsonlex").request(JSONLex(id=new_ulid(), expression=expression, context=context))
        if ok.result is UNSET:
            raise NotBuiltError("the bridge is older than this library: it evaluates no expressions")
        return ok.result

    async def services(self, service: str | None = None) -> list[ServiceInfo]:
        """Return the services that are attached, with their instances and how calls to them are doing.

        Args:
            service: only this one, by either name.

        Raises:
            UnknownServiceError: there is no such service.
            DeadlineError: no answer in time.

        """
        question = Discover(id=new_ulid(), service=None if service is None else full_name(service))
        ok = await self._running_link("services").request(question)
        if ok.services is UNSET:
            raise NotBuiltError("the bridge is older than this library: it cannot say which services there are")
        return ok.services

    async def explain(
        self,
        event: str,
        data: Any = None,
        *,
        target: str | Sequence[str] | None = None,
        meta: Mapping[str, Any] | None = None,
        source: str | None = None,
    ) -> Explanation:
        """Return who would get an event that this service emits, who would not, and why; nothing is emitted.

        Args:
            event: ``resource:action``.
            data: any JSON value, which conditions of subscriptions look at.
            target: a service, several, or nothing for all.
            meta: as `emit` takes it.
            source: another service that would emit it, which takes the permission ``*``.

        Raises:
            BadMessageError: the event's name, target or data is wrong.
            ForbiddenError: the event would be another service's.
            DeadlineError: no answer in time.

        """
        check_event(event)
        names = target if isinstance(target, str) or target is None else list(target)
        logs_of_target(names)
        question = Explain(
            id=new_ulid(),
            event=event,
            data=self._raw(data),
            target=names,
            meta=UNSET if meta is None else self._raw(meta),
            source=source,
        )
        ok = await self._running_link("explain").request(question)
        if ok.explanation is UNSET:
            raise NotBuiltError("the bridge is older than this library: it cannot explain")
        return ok.explanation

    # Inside

    def _running_link(self, what: str) -> Link:
        if self._link is None:
            raise UnavailableError(f"{self.service} is not running: await start() or run() before {what}()")
        return self._link

    def _raw(self, value: Any) -> Raw:
        return Raw(codec.checked_json(codec.encode_json(value).encode(), self._limits))


def checked_id(text: str) -> str:
    """Return an id if it may travel.

    Raises:
        BadMessageError: it is too long, or has no JSON form.

    """
    codec.encode_json(text)
    if len(text) > MAX_ID_LENGTH:
        raise BadMessageError(f"an id has at most {MAX_ID_LENGTH} characters, this has {len(text)}: {text[:80]!r}")
    return text
