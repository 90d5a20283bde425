"""The audit trail, on Valkey and on the twin alike: what is written is read, newest first, and never without an end."""

import time

import pytest

from ipc.protocol.errors import BadMessageError
from ipc.stores.audit import MOST_A_MINUTE, AuditTrail
from ipc.stores.audit_filter import MAX_PAGE, AuditFilter, AuditPage, by_certificate
from tests.contracts.backends import Backend

ALL = AuditFilter()


@pytest.fixture
async def audit(backend: Backend) -> AuditTrail:
    return backend.audit()


async def write(audit: AuditTrail, *subjects: str, action: str = "token.mint", by: str = "ann") -> None:
    for subject in subjects:
        await audit.write(action, by=by, subject=subject, details={"n": [1, None, "\N{SNOWMAN}"]})


def subjects(page: AuditPage) -> list[str]:
    return [entry.subject for entry in page.entries]


async def test_an_empty_trail_is_a_page_of_nothing(audit: AuditTrail) -> None:
    assert await audit.read(ALL) == AuditPage([], None, 0)


async def test_what_is_written_is_read_newest_first(audit: AuditTrail) -> None:
    await write(audit, "one", "two")
    page = await audit.read(ALL)
    newest, oldest = page.entries
    assert (newest.action, newest.by, newest.subject) == ("token.mint", "ann", "two")
    assert newest.details == {"n": [1, None, "\N{SNOWMAN}"]}
    assert newest.at_ms >= oldest.at_ms > 0
    assert (page.next, page.looked) == (None, 2)


async def test_what_is_done_all_the_time_is_written_once_a_minute(audit: AuditTrail) -> None:
    """Another action, person, subject or whatever sets it apart is another; details alone are not."""
    for number in range(3):
        await audit.write_once_a_minute("session.refused", by="ann", subject="one", details={"n": number})
        await audit.write_once_a_minute("session.refused", by="ann", subject="two")
        await audit.write_once_a_minute("session.refused", by="bob", subject="one")
        await audit.write_once_a_minute("token.refused", by="ann", subject="one")
        await audit.write_once_a_minute("token.refused", by="ann", subject="one", apart="TOKEN_EXPIRED")
    entries = (await audit.read(ALL)).entries
    assert [(entry.action, entry.by, entry.subject) for entry in reversed(entries)] == [
        ("session.refused", "ann", "one"),
        ("session.refused", "ann", "two"),
        ("session.refused", "bob", "one"),
        ("token.refused", "ann", "one"),
        ("token.refused", "ann", "one"),
    ]
    assert entries[-1].details == {"n": 0}


async def test_a_service_does_not_fill_the_trail(audit: AuditTrail, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each action it causes, so many are written in a minute, and the last says so; others' are, and the next's."""
    monkeypatch.setattr(time, "time", lambda: 1_800_000_030.0)
    for number in range(MOST_A_MINUTE + 2):
        await audit.write_once_a_minute("session.refused", by="s", subject=f"n{number}", cause="exprsn-spark")
        await audit.write("operation.begin", by="s", subject=f"n{number}", details={"n": 1}, cause="exprsn-spark")
    await write(audit, *(f"o{number}" for number in range(MOST_A_MINUTE)), action="session.refused")
    await audit.write("session.refused", by="h", subject="h", cause="exprsn-herald")
    monkeypatch.setattr(time, "time", lambda: 1_800_000_090.0)
    await audit.write("session.refused", by="s", subject="next", cause="exprsn-spark")
    written = [*reversed((await audit.read(ALL, count=MAX_PAGE)).entries)]
    of_spark = [entry for entry in written if entry.by == "s"]
    refused = [entry for entry in of_spark if entry.action == "session.refused"]
    begun = [entry for entry in of_spark if entry.action == "operation.begin"]
    assert [entry.subject for entry in refused] == [*(f"n{number}" for number in range(MOST_A_MINUTE)), "next"]
    assert [entry.details for entry in refused] == [{}] * (MOST_A_MINUTE - 1) + [{"furtherLeftOut": True}, {}]
    assert [entry.details for entry in begun][-2:] == [{"n": 1}, {"n": 1, "furtherLeftOut": True}]
    assert len(begun) == MOST_A_MINUTE
    assert len(written) == len(of_spark) + MOST_A_MINUTE + 1


async def test_pages_follow_each_other_without_gap_or_repeat(audit: AuditTrail) -> None:
    """Also where entries are written in between, which are newer than any of them."""
    names = [str(number) for number in range(7)]
    await write(audit, *names)
    seen: list[str] = []
    after = ""
    while True:
        page = await audit.read(ALL, count=3, after=after)
        seen += subjects(page)
        if page.next is None:
            break
        after = page.next
        await write(audit, "later")
    assert seen == names[::-1]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (AuditFilter(action="token."), ["c", "b", "a"]),
        (AuditFilter(action="token.revoke"), ["c"]),
        (AuditFilter(action="oken"), []),
        (AuditFilter(by="bob"), ["d", "c"]),
        (AuditFilter(by="bob", action="token."), ["c"]),
        (AuditFilter(subject="a"), ["a"]),
        (AuditFilter(subject="*"), []),
        (AuditFilter(since_ms=32_503_680_000_000), []),
        (AuditFilter(until_ms=1), []),
        (AuditFilter(since_ms=1, until_ms=32_503_680_000_000), ["d", "c", "b", "a"]),
    ],
    ids=str,
)
async def test_all_that_is_asked_has_to_be_true(audit: AuditTrail, wanted: AuditFilter, expected: list[str]) -> None:
    await write(audit, "a", "b")
    await write(audit, "c", action="token.revoke", by="bob")
    await write(audit, "d", action="login", by="bob and ann")
    assert subjects(await audit.read(wanted)) == expected


async def test_renewals_of_services_are_left_out_and_nothing_that_looks_like_them(audit: AuditTrail) -> None:
    await write(audit, "a", by=by_certificate("exprsn-herald"))
    await write(audit, "b", by=by_certificate("manage.py by exprsn-x"))
    await write(audit, "c", by=f"{by_certificate('exprsn-herald')}, and more")
    await write(audit, "d", by="exprsn-herald")
    assert subjects(await audit.read(AuditFilter(has_renewals=False))) == ["d", "c", "b"]
    assert subjects(await audit.read(ALL)) == ["d", "c", "b", "a"]


async def test_a_window_of_time_has_both_its_ends(audit: AuditTrail) -> None:
    await write(audit, "one")
    (entry,) = (await audit.read(ALL)).entries
    ms = int(entry.position.partition("-")[0])
    for wanted, count in (
        (AuditFilter(since_ms=ms, until_ms=ms), 1),
        (AuditFilter(since_ms=ms + 1), 0),
        (AuditFilter(until_ms=ms - 1), 0),
    ):
        assert len((await audit.read(wanted)).entries) == count


async def test_a_page_looks_at_no_more_than_its_budget_and_says_where_to_go_on(audit: AuditTrail) -> None:
    """What is looked for is far down: several pages of nothing lead there."""
    await write(audit, "wanted", by="bob")
    await write(audit, *(str(number) for number in range(9)))
    pages: list[AuditPage] = []
    after = ""
    while not pages or pages[-1].next is not None:
        pages.append(await audit.read(AuditFilter(by="bob"), after=after, max_looked=4))
        after = pages[-1].next or ""
    assert [subjects(page) for page in pages] == [[], [], ["wanted"]]
    assert [page.looked for page in pages] == [4, 4, 2]


async def test_nobody_gets_more_than_a_page_has(audit: AuditTrail) -> None:
    await write(audit, *(str(number) for number in range(MAX_PAGE + 1)))
    page = await audit.read(ALL, count=MAX_PAGE * 10)
    assert (len(page.entries), page.next) == (MAX_PAGE, page.entries[-1].position)
    assert subjects(await audit.read(ALL, count=10, after=page.next or "")) == ["0"]


@pytest.mark.parametrize("after", ["x", "1", "1-0 +", "99999999999999999999999-0", "(1-0", "\x00", "-", "+"])
async def test_a_place_that_is_none_is_refused(audit: AuditTrail, after: str) -> None:
    with pytest.raises(BadMessageError, match="not a position"):
        await audit.read(ALL, after=after)
