"""Dead letters over HTTP: a list in pages, one letter, and redrive and discard by filter."""

# ruff: noqa: ARG002 - Django hands every method the request

from typing import Any

from asgiref.sync import async_to_sync
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from bridge.api.access import whose
from bridge.api.authentication import Asker
from bridge.api.fields import Flag, Text, WholeNumber, Words
from bridge.api.mesh_view import MeshView, answer, checked
from ipc.django_app.dead_letter_acts import discard, redrive
from ipc.django_app.dead_letters import condition_of, letter_detail, letter_summary, orphaned
from ipc.django_app.runtime import running_redis
from ipc.protocol.errors import BadMessageError
from ipc.stores.dead_letter import Page
from ipc.stores.dead_letter_filter import DeadLetterFilter, LetterId
from ipc.stores.dead_letters import DeadLetters

MAX_LIMIT = 1_000
MAX_WORDS = 100
NARROWING = frozenset({"service", "group", "event", "id", "since", "until", "where"})


class FilterSerializer(serializers.Serializer[Any]):
    """Which dead letters are meant, and how many at most."""

    service = Text(required=False)
    group = Text(required=False)
    event = Words(required=False, max_length=MAX_WORDS)
    id = Words(required=False, max_length=MAX_LIMIT)
    since = Text(required=False)
    until = Text(required=False)
    where = serializers.JSONField(required=False)
    limit = WholeNumber(required=False, min_value=1, max_value=MAX_LIMIT, default=100)


class ListSerializer(FilterSerializer):
    """What to list, and after which one; an address has no room for a thousand ids."""

    id = Words(required=False, max_length=MAX_WORDS)
    limit = WholeNumber(in_address=True, required=False, min_value=1, max_value=MAX_LIMIT, default=100)
    cursor = Text(required=False)


class RedriveSerializer(FilterSerializer):
    """What to redrive; ``all`` has to be said where no filter is."""

    all = Flag(required=False, default=False)
    dryRun = Flag(required=False, default=False)  # noqa: N815 - the API is in camelCase


class DiscardSerializer(RedriveSerializer):
    """What to discard, and why."""

    reason = Text(max_length=1_000)


class DeadLetterListView(MeshView):
    """The dead letters of all groups."""

    def get(self, request: Request) -> Response:
        """Answer with a page, and the cursor of the next one or null."""
        query = {name: request.query_params.getlist(name) for name in request.query_params}
        lists = {"event", "id"}
        values = checked(ListSerializer, {n: v if n in lists else v[-1] for n, v in query.items()})
        if "where" in values:
            values["where"] = condition_of(query["where"][-1])
        values["service"] = whose(self.asker, values.get("service"))
        after = LetterId.of(values["cursor"]) if "cursor" in values else None
        page = async_to_sync(DeadLetters(running_redis()).find)(_filter(values), limit=values["limit"], after=after)
        cursor = str(page.letters[-1].id) if page.has_more else None
        letters = [letter_summary(buried) for buried in page.letters]
        return answer({"deadLetters": letters, "next": cursor, "undecided": page.undecided})


class DeadLetterView(MeshView):
    """One dead letter."""

    def get(self, request: Request, service: str, group: str, position: str) -> Response:
        """Answer with all that is known of it."""
        letter_id = LetterId.of(f"{service}/{group}/{position}")
        whose(self.asker, letter_id.service)
        return answer(letter_detail(async_to_sync(DeadLetters(running_redis()).get)(letter_id)))


class RedriveView(MeshView):
    """Dead letters back to their groups."""

    def post(self, request: Request) -> Response:
        """Deliver what is meant again, and answer with which."""
        values = checked(RedriveSerializer, request.data)
        return answer(async_to_sync(self._redrive)(values))

    async def _redrive(self, values: dict[str, Any]) -> dict[str, Any]:
        redis = running_redis()
        page = await _meant(DeadLetters(redis), values, self.asker)
        ids = [buried.id for buried in page.letters]
        moved, orphans = await redrive(redis, [] if values["dryRun"] else ids, by=self.asker.name)
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


class DiscardView(MeshView):
    """Dead letters out of the way."""

    def post(self, request: Request) -> Response:
        """Delete what is meant, and answer with which."""
        values = checked(DiscardSerializer, request.data)
        return answer(async_to_sync(self._discard)(values))

    async def _discard(self, values: dict[str, Any]) -> dict[str, Any]:
        redis = running_redis()
        page = await _meant(DeadLetters(redis), values, self.asker)
        ids = [buried.id for buried in page.letters]
        gone = [] if values["dryRun"] else await discard(redis, ids, by=self.asker.name, reason=values["reason"])
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


async def _meant(letters: DeadLetters, values: dict[str, Any], asker: Asker) -> Page:
    if not values["all"] and NARROWING.isdisjoint(values):
        raise BadMessageError('say which dead letters are meant with a filter, or "all": true')
    wanted = _filter({**values, "service": whose(asker, values.get("service"))})
    return await letters.find(wanted, limit=values["limit"])


def _texts(ids: list[LetterId]) -> list[str]:
    return [str(letter_id) for letter_id in ids]
