"""What operators do with dead letters from a list: some that are named, or all that match, a hundred at a time."""

import time
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from django.http import HttpRequest

from bridge.console.action import ConsoleAction, Done
from bridge.console.dead_letters import FilterForm
from bridge.console.filled import filled
from ipc.django_app.dead_letter_acts import discard, redrive
from ipc.django_app.dead_letters import orphaned
from ipc.django_app.runtime import running_redis
from ipc.protocol.errors import BadMessageError, UnavailableError
from ipc.protocol.moments import written_ms
from ipc.stores.dead_letter_filter import LetterId
from ipc.stores.dead_letters import MAX_LOOKED, DeadLetters

MAX_NAMED: Final = 200
STEP: Final = 100


class LetterAction(ConsoleAction):
    """Something that is done with letters; what is done writes itself down."""

    back = "admin:console_dead_letters"
    verb: ClassVar[str]

    async def act(self, request: HttpRequest, *, by: str, **where: Any) -> Done:  # noqa: ARG002 - no parts
        """Do it with the letters that are named, or with those of a filter after one of them."""
        if "all" in request.POST:
            return await self._step(request, by)
        names = request.POST.getlist("letter")
        if not 0 < len(names) <= MAX_NAMED:
            raise BadMessageError(f"choose 1 to {MAX_NAMED} dead letters; these are {len(names)}")
        letters = [LetterId.of(name) for name in names]
        gone = await self.do(request, letters, by)
        return self._done(len(gone), {"done": len(gone), "left": len(letters) - len(gone)})

    async def do(self, request: HttpRequest, letters: Sequence[LetterId], by: str) -> list[LetterId]:
        """Do it, and return those it was done with.

        Raises:
            IPCError: nothing, or not with all of them.

        """
        raise NotImplementedError

    async def _step(self, request: HttpRequest, by: str) -> Done:
        """Do it with the next letters of a filter, of those that were there when the first step was made.

        What fails again at once is a dead letter again, and would otherwise be met again and again.
        """
        form = filled(FilterForm(request.POST))
        begun_ms, after = written_ms(request.POST.get("upto", "")), request.POST.get("after", "")
        upto_ms = begun_ms if begun_ms is not None else time.time_ns() // 1_000_000
        found = await DeadLetters(running_redis()).find(
            form.wanted(upto_ms), limit=STEP, after=LetterId.of(after) if after else None, max_looked=MAX_LOOKED
        )
        letters = [buried.id for buried in found.letters]
        gone = await self.do(request, letters, by) if letters else []
        told = {
            "done": len(gone),
            "left": len(letters) - len(gone),
            "undecided": found.undecided,
            "after": str(found.next or after),
            "upto": str(upto_ms),
            "more": found.has_more,
        }
        return self._done(len(gone), told)

    def _done(self, count: int, told: dict[str, Any]) -> Done:
        more = "; there are more, go on with them" if told.get("more") else ""
        left = f"; {told['left']} stay: gone meanwhile, or nobody would get them" if told["left"] else ""
        return Done(f"{count} {self.verb}{left}{more}", "", data=told, is_written=True)


class RedriveLetters(LetterAction):
    """Deliver letters to their groups again."""

    permission = "bridge.redrive_deadletter"
    action = "deadletters.redrive"
    verb = "redriven"

    async def do(self, request: HttpRequest, letters: Sequence[LetterId], by: str) -> list[LetterId]:
        """Do it; some that nobody would get do not keep the others back."""
        moved, orphans = await redrive(running_redis(), letters, by=by)
        if not moved and "all" not in request.POST:
            raise (
                orphaned(orphans) if orphans else UnavailableError("nothing was moved: it is gone, or there is no room")
            )
        return moved


class DiscardLetters(LetterAction):
    """Delete letters for good, for a reason."""

    permission = "bridge.discard_deadletter"
    action = "deadletters.discard"
    verb = "discarded"

    async def do(self, request: HttpRequest, letters: Sequence[LetterId], by: str) -> list[LetterId]:
        """Do it."""
        return await discard(running_redis(), letters, by=by, reason=request.POST.get("reason", "")[:1_000])
