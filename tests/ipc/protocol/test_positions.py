"""Positions: the form Redis gives them, and their order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError
from ipc.protocol.positions import START, check_position, position_key

numbers = st.integers(min_value=0, max_value=2**64 - 1)


@pytest.mark.parametrize("position", [START, "1-0", "1700000000000-12", f"{2**64 - 1}-{2**64 - 1}"])
def test_a_position_is_two_numbers(position: str) -> None:
    assert check_position(position) == position


@pytest.mark.parametrize(
    "position",
    [
        "",
        "-",
        "1",
        "1-",
        "-1",
        "1-2-3",
        "01-0",
        "1-00",
        "+1-0",
        " 1-0",
        "1-0 ",
        "1-0\n",
        "1_0-0",
        "a-b",
        "$",
        "+",
        "(1-0",
        "\u0661-\u0660",
        f"{2**64}-0",
        f"0-{2**64}",
        "9" * 21 + "-0",
        "1-" + "9" * 5000,
    ],
)
def test_what_is_no_position_is_refused(position: str) -> None:
    """Above all what Redis would understand in a range: ``+``, ``(1-0`` and numbers that wrap."""
    with pytest.raises(BadMessageError) as refused:
        check_position(position)
    assert refused.value.code is ErrorCode.INVALID_POSITION
    assert len(refused.value.message) < 300


@given(st.lists(st.tuples(numbers, numbers)))
def test_positions_sort_by_number_not_by_text(pairs: list[tuple[int, int]]) -> None:
    positions = [f"{ms}-{seq}" for ms, seq in pairs]
    assert sorted(positions, key=position_key) == [f"{ms}-{seq}" for ms, seq in sorted(pairs)]
    assert [check_position(position) for position in positions] == positions


@given(st.text(max_size=30) | st.text("0123456789-", max_size=45))
def test_any_text_is_a_position_or_refused(text: str) -> None:
    try:
        check_position(text)
    except BadMessageError:
        return
    ms, seq = position_key(text)
    assert f"{ms}-{seq}" == text
