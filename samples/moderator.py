"""Moderator compares each post with a list of words, and tells Timeline its verdict."""

import asyncio
import logging
import re
import time
import unicodedata
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from ipc import EventContext, IPCWorker, logs

WORDS_FILE: Final = Path(__file__).with_name("moderator_words.txt")

TEXT: Final = {"id": {"$var": "data.id"}, "content": {"$var": ["data.content", ""]}}
"""All that the hub sends of a post: there is nothing else to judge, and a deleted one has no text."""

ipc = IPCWorker("exprsn-moderator")
log = logging.getLogger("moderator")


class Judged(msgspec.Struct, rename="camel"):
    """Which post, by which event of it, when, in Unix milliseconds, and the verdict with the words it is for."""

    post_id: str
    event: str
    handled_at: int
    verdict: Literal["approved", "flagged"]
    words: list[str]


ipc.declare_event("moderation:completed", schema=Judged, description="A post was compared with the list of words.")


def read_words(text: str) -> frozenset[str]:
    """Return the words of a list: one a line, without empty lines and comments."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return frozenset(normalized(line) for line in lines if line)


def normalized(text: str) -> str:
    """Return text in the one form it is compared in: no case, no accents, no look-alikes of the same letter (NFKD)."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def words_found(content: str, words: Collection[str]) -> list[str]:
    """Return the listed words that a text has as whole words, in alphabetical order."""
    return sorted(set(re.findall(r"\w+", normalized(content))).intersection(words))


WORDS: Final = read_words(WORDS_FILE.read_text(encoding="utf-8"))


@ipc.on("post:created", "post:updated", "post:deleted", select=TEXT)
async def check(post: dict[str, Any], ctx: EventContext) -> None:
    """Judge a new or changed post; a deleted one has no content left that could be wrong."""
    found = words_found(post["content"], WORDS)
    verdict: Literal["approved", "flagged"] = "flagged" if found else "approved"
    log.info("post %s: %s, %s", post["id"], ctx.event, " ".join([verdict, *found]))
    done = Judged(
        post_id=post["id"],
        event=ctx.event,
        handled_at=time.time_ns() // 1_000_000,
        verdict=verdict,
        words=found,
    )
    await ipc.emit("moderation:completed", done, target="timeline")


if __name__ == "__main__":
    logs.configure("moderator")
    asyncio.run(ipc.run())
