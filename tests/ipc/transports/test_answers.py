"""Requests that wait, and whose answers find them."""

import asyncio

import pytest

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import ConnectionClosedError, ForbiddenError, UnavailableError
from ipc.protocol.messages import Error, Ok
from ipc.transports.answers import Answers, error_from_message


async def test_an_answer_finds_its_request() -> None:
    answers = Answers()
    with answers.expected("1") as first, answers.expected("2") as second:
        assert answers.settle(Ok(id="2", position="5-0"))
        assert answers.settle(Error(id="1", code="FORBIDDEN", message="no"))
        assert (await second).position == "5-0"
        with pytest.raises(ForbiddenError):
            await first


async def test_an_answer_that_nobody_waits_for_finds_nobody() -> None:
    answers = Answers()
    with answers.expected("1"):
        assert not answers.settle(Ok(id="2"))
        assert not answers.settle(Ok())
        assert answers.settle(Ok(id="1"))
        assert not answers.settle(Ok(id="1"))
    assert not answers.settle(Ok(id="1"))


async def test_two_requests_with_one_id_are_answered_in_order() -> None:
    """Such as an event that two tasks emit; the one that gave up does not take the other's answer."""
    answers = Answers()
    with answers.expected("1") as first:
        with answers.expected("1") as second:
            answers.settle(Ok(id="1", position="1-0"))
            answers.settle(Ok(id="1", position="2-0"))
            assert ((await first).position, (await second).position) == ("1-0", "2-0")
        with answers.expected("1") as third:
            pass
        with answers.expected("1") as fourth:
            assert answers.settle(Ok(id="1", position="4-0"))
            assert (await fourth).position == "4-0"
        assert not third.done()


async def test_a_lost_connection_fails_all_so_that_they_may_be_repeated() -> None:
    answers = Answers()
    with answers.expected("1") as first, answers.expected("2") as second:
        answers.fail(ConnectionClosedError(4403, "forbidden"))
        for answer in (first, second):
            with pytest.raises(UnavailableError) as failed:
                await answer
            assert failed.value.retryable
        assert not answers.settle(Ok(id="1"))


async def test_a_request_that_was_given_up_is_settled_by_nobody() -> None:
    answers = Answers()
    with answers.expected("1") as answer:
        answer.cancel()
        assert not answers.settle(Ok(id="1"))
    answers.fail(ConnectionClosedError(1006))
    assert answer.cancelled()
    await asyncio.sleep(0)


def test_an_error_keeps_what_it_says() -> None:
    error = error_from_message(
        Error(code="UNAVAILABLE", message="no Redis", retryable=True, retry_after_ms=5, details={"log": "broadcast"})
    )
    assert isinstance(error, UnavailableError)
    assert (error.code, error.retry_after_ms, error.details) == (ErrorCode.UNAVAILABLE, 5, {"log": "broadcast"})
    plain = error_from_message(Error(code="NOT_FOUND", message="no"))
    assert (plain.retry_after_ms, plain.details, plain.retryable) == (None, None, False)
