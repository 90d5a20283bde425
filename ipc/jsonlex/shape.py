"""What may be compiled at all: JSON values, neither too deep nor too many.

It is looked at without recursion, so that a hostile value costs no more than its first few thousand parts.
"""

from math import isfinite
from typing import Any

from ipc.jsonlex.errors import JSONLexError, child, invalid, kind_of
from ipc.jsonlex.limits import INTEGER_BITS, Limits
from ipc.protocol.codes import ErrorCode


def check_shape(expression: Any, limits: Limits, pointer: str) -> None:
    """Look at every value of an expression, level by level.

    Raises:
        JSONLexError: JSONLEX_TOO_DEEP, JSONLEX_TOO_LARGE, or JSONLEX_INVALID for what is no JSON value.

    """
    if not _is_plain(expression, limits):
        _refuse(expression, limits, pointer)


def _is_plain(expression: Any, limits: Limits) -> bool:
    """Tell whether all is well, without keeping pointers to what is being looked at."""
    level, nodes = [expression], 0
    for _ in range(limits.depth):
        nodes += len(level)
        if nodes > limits.nodes:
            return False
        parts: list[Any] = []
        for value in level:
            kind = type(value)
            if kind is dict:
                parts += value.values()
                if not all(type(name) is str and name.isascii() for name in value):
                    return False
            elif kind is list:
                parts += value
            elif not _is_usual(value):
                return False
        if not parts:
            return True
        level = parts
    return False


def _is_usual(value: Any) -> bool:
    kind = type(value)
    if kind is str:
        return bool(value.isascii())
    return kind is bool or value is None or (kind is int and -(2**63) <= value < 2**63)


def _refuse(expression: Any, limits: Limits, pointer: str) -> None:
    """Look again at what is unusual, with pointers; it may turn out to be good."""
    level: list[tuple[Any, str]] = [(expression, pointer)]
    nodes = depth = 0
    while level:
        nodes += len(level)
        containers = [(value, at) for value, at in level if not _is_scalar(value, at)]
        if containers and depth == limits.depth:
            raise JSONLexError(
                f"an expression is nested at most {limits.depth} deep",
                code=ErrorCode.JSONLEX_TOO_DEEP,
                pointer=containers[0][1],
                limit=limits.depth,
            )
        if nodes + sum(len(value) for value, _ in containers) > limits.nodes:
            raise JSONLexError(
                f"an expression has at most {limits.nodes} values",
                code=ErrorCode.JSONLEX_TOO_LARGE,
                pointer=pointer,
                limit=limits.nodes,
            )
        level = [part for value, at in containers for part in _parts(value, at)]
        depth += 1


def _parts(value: Any, at: str) -> list[tuple[Any, str]]:
    if type(value) is list:
        return [(item, child(at, index)) for index, item in enumerate(value)]
    for name in value:
        if type(name) is not str:
            raise invalid(f"the name of a member is a string, not {kind_of(name)}", at)
        _check_text(name, at)
    return [(member, child(at, name)) for name, member in value.items()]


def _is_scalar(value: Any, at: str) -> bool:
    kind = type(value)
    if kind is list or kind is dict:
        return False
    if kind is str:
        _check_text(value, at)
    elif kind is int:
        if value.bit_length() > INTEGER_BITS:
            raise invalid(f"an integer has at most {INTEGER_BITS} bits", at)
    elif kind is float:
        if not isfinite(value):
            raise invalid(f"{value} is no JSON number", at)
    elif kind is not bool and value is not None:
        raise invalid(f"an expression is made of JSON values, and this is {kind_of(value)}", at)
    return True


def _check_text(text: str, at: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise invalid(
                "a text has a lone surrogate, which is no JSON", at.encode(errors="replace").decode()
            ) from None
