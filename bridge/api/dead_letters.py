"""Dead letters over HTTP: a list in pages, one letter, and redrive and discard by filter."""

# ruff: noqa: ARG002 - Django hands every method the request

from typing import Any

from asgiref.sync import async_to_sync
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from bridge.api.operators import OperatorView, answer, checked
from ipc.django_app.audit_trail import operator_name
from ipc.django_app.dead_letter_acts import discard, redrive
from ipc.django_app.dead_letters import condition_of, letter_detail, letter_summary, orphaned
from ipc.protocol.errors import BadMessageError
from ipc.stores.dead_letter_filter import DeadLetterFilter, LetterId
from ipc.stores.dead_letters import DeadLetters, Page

MAX_LIMIT = 1_000
MAX_WORDS = 100


class Words(serializers.ListField):
    """Texts, given as a list or as one."""

    child = serializers.CharField(max_length=256)

    def to_internal_value(self, data: Any) -> list[Any]:
        """Return them as a list."""
        return super().to_internal_value([data] if isinstance(data, str) else data)


class FilterSerializer(serializers.Serializer[Any]):
    """Which dead letters are meant, and how many at most."""

    service = serializers.CharField(required=False)
    group = serializers.CharField(required=False)
    event = Words(required=False, max_length=MAX_WORDS)
    id = Words(required=False, max_length=MAX_LIMIT)
    since = serializers.CharField(required=False)
    until = serializers.CharField(required=False)
    where = serializers.JSONField(required=False)
    limit = serializers.IntegerField(required=False, min_value=1, max_value=MAX_LIMIT, default=100)


class ListSerializer(FilterSerializer):
    """What to list, and after which one."""

    cursor = serializers.CharField(required=False)


class RedriveSerializer(FilterSerializer):
    """What to redrive; ``all`` has to be said where no filter is."""

    all = serializers.BooleanField(required=False, default=False)
    dryRun = serializers.BooleanField(required=False, default=False)  # noqa: N815 - the API is in camelCase


class DiscardSerializer(RedriveSerializer):
    """What to discard, and why."""

    reason = serializers.CharField(max_length=1_000)


class DeadLetterListView(OperatorView):
    """The dead letters of all groups."""

    permission = "bridge.view_event"

    def get(self, request: Request) -> Response:
        """Answer with a page, and the cursor of the next one or null."""
        query = {name: request.query_params.getlist(name) for name in request.query_params}
        lists = {"event", "id"}
        values = checked(ListSerializer, {n: v if n in lists else v[-1] for n, v in query.items()})
        if "where" in values:
            values["where"] = condition_of(query["where"][-1])
        after = LetterId.of(values["cursor"]) if "cursor" in values else None
        page = async_to_sync(DeadLetters(self.redis()).find)(_filter(values), limit=values["limit"], after=after)
        cursor = str(page.letters[-1].id) if page.has_more else None
        letters = [letter_summary(buried) for buried in page.letters]
        return answer({"deadLetters": letters, "next": cursor, "undecided": page.undecided})


class DeadLetterView(OperatorView):
    """One dead letter."""

    permission = "bridge.view_event"

    def get(self, request: Request, service: str, group: str, position: str) -> Response:
        """Answer with all that is known of it."""
        letter_id = LetterId.of(f"{service}/{group}/{position}")
        return answer(letter_detail(async_to_sync(DeadLetters(self.redis()).get)(letter_id)))


class RedriveView(OperatorView):
    """Dead letters back to their groups."""

    permission = "bridge.redrive_deadletter"

    def post(self, request: Request) -> Response:
        """Deliver what is meant again, and answer with which."""
        values = checked(RedriveSerializer, request.data)
        return answer(async_to_sync(self._redrive)(values))

    async def _redrive(self, values: dict[str, Any]) -> dict[str, Any]:
        redis = self.redis()
        page = await _meant(DeadLetters(redis), values)
        ids = [buried.id for buried in page.letters]
        moved, orphans = await redrive(redis, [] if values["dryRun"] else ids, by=operator_name(self.operator))
        outcome = {
            "matched": _texts(ids),
            "redriven": _texts(moved),
            "dryRun": values["dryRun"],
            "hasMore": page.has_more,
            "undecided": page.undecided,
        }
        if orphans:
            raise orphaned(orphans, {**outcome, "skipped": _texts(orphans)})
        return outcome


class DiscardView(OperatorView):
    """Dead letters out of the way."""

    permission = "bridge.discard_deadletter"

    def post(self, request: Request) -> Response:
        """Delete what is meant, and answer with which."""
        values = checked(DiscardSerializer, request.data)
        return answer(async_to_sync(self._discard)(values))

    async def _discard(self, values: dict[str, Any]) -> dict[str, Any]:
        redis, by = self.redis(), operator_name(self.operator)
        page = await _meant(DeadLetters(redis), values)
        ids = [buried.id for buried in page.letters]
        gone = [] if values["dryRun"] else await discard(redis, ids, by=by, reason=values["reason"])
        return {
            "matched": _texts(ids),
            "discarded": _texts(gone),
            "dryRun": values["dryRun"],
            "hasMore": page.has_more,
            "undecided": page.undecided,
        }


def _filter(values: dict[str, Any]) -> DeadLetterFilter:
    return DeadLetterFilter.of(
        service=values.get("service"),
        group=values.get("group"),
        events=values.get("event", ()),
        ids=values.get("id", ()),
        since=values.get("since"),
        until=values.get("until"),
        where=values.get("where"),
    )


async def _meant(letters: DeadLetters, values: dict[str, Any]) -> Page:
    wanted = _filter(values)
    if wanted.wants_everything and not values["all"]:
        raise BadMessageError('say which dead letters are meant with a filter, or "all": true')
    return await letters.find(wanted, limit=values["limit"])


def _texts(ids: list[LetterId]) -> list[str]:
    return [str(letter_id) for letter_id in ids]
