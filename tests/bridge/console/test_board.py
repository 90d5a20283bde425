"""What is shown is put together once a second, whoever looks."""

import asyncio
import json
from typing import Any

import pytest

from bridge.console import board
from bridge.console.board import FIGURES_EVERY_S, Board, board_of, figures_of
from ipc.hub.hub import Hub
from ipc.protocol.errors import UnavailableError


class Composer:
    def __init__(self) -> None:
        self.calls = 0
        self.problem = ""

    async def __call__(self, _hub: Hub) -> Any:
        self.calls += 1
        await asyncio.sleep(0)
        if self.problem:
            raise UnavailableError(self.problem)
        return {"calls": self.calls}


class Time:
    now = 1_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(board, "time", made)
    return made


async def test_all_who_look_within_a_second_see_the_same(time: Time, runtime: Any) -> None:
    compose = Composer()
    shown = Board(runtime.hub, compose)
    assert {*await asyncio.gather(*(shown.text() for _ in range(50)))} == {'{"calls":1}'}
    time.now += 1
    assert await shown.text() == '{"calls":2}'


async def test_a_board_may_hold_for_longer(time: Time, runtime: Any) -> None:
    compose = Composer()
    shown = Board(runtime.hub, compose, every_s=10)
    for _ in range(10):
        assert await shown.text() == '{"calls":1}'
        time.now += 1
    assert await shown.text() == '{"calls":2}'


async def test_the_figures_of_a_minute_are_added_up_once_in_some_seconds(
    time: Time, runtime: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    async def window(seconds: int) -> Any:
        asked.append(seconds)
        return len(asked)

    monkeypatch.setattr(runtime.hub.figures, "window", window)
    found: list[Any] = await asyncio.gather(*(figures_of(runtime.hub) for _ in range(10)))
    assert found == [1] * 10
    time.now += FIGURES_EVERY_S
    found.append(await figures_of(runtime.hub))
    assert (found[-1], asked) == (2, [60, 60])
    found.append(await figures_of(runtime.hub, 300))
    assert (found[-1], asked[2:]) == (3, [300])


async def test_a_problem_is_shown_and_holds_as_long(time: Time, runtime: Any) -> None:
    compose = Composer()
    compose.problem = "Redis is out of reach"
    shown = Board(runtime.hub, compose)
    for _ in range(3):
        assert json.loads(await shown.text()) == {"problem": "Redis is out of reach"}
    assert compose.calls == 1
    compose.problem, time.now = "", time.now + 1
    assert await shown.text() == '{"calls":2}'


async def test_a_hub_has_one_board_for_each_thing_to_show(runtime: Any) -> None:
    one, other = Composer(), Composer()
    assert board_of(runtime.hub, one) is board_of(runtime.hub, one)
    assert board_of(runtime.hub, one) is not board_of(runtime.hub, other)
