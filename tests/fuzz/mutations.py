"""Frames that are nearly right: the golden messages of the protocol, each with something wrong about it."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

VECTORS: Final = Path(__file__).parents[1] / "vectors"
GOLDEN: Final = [entry["wire"] for entry in json.loads((VECTORS / "client.json").read_text())]
REFUSED: Final = [entry["wire"] for entry in json.loads((VECTORS / "refused.json").read_text()) if "wire" in entry]
# What no encoder would write, written as it is.
RAW: Final = (
    "1e999", "-1e999", "1" * 400, "1" * 5_000, "-0", "0.1e-400", "9007199254740993", "18446744073709551616", "NaN",
    "01",
    '"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"\\uffff"', '"a\\nb"', '"a\nb"', '"\x7f"', '"\\x"', "tru",
    "[1,]", '{"a":1,"a":2}', '{"$eq":[1,1],"$eq":2}',
    '{"__proto__":1}', "[]]", "//", "",
)  # fmt: skip
VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 0.5, 1e308, "", " ", "*", ":", "a:b",
    "post:*", "**", "a" * 64, "a" * 65, "a" * 20_000,
    "\x00", "\u2028", "\ufeff", "\N{SNOWMAN}" * 50, "../../etc", "exprsn-herald", "exprsn-herald/notify",
    "broadcast", "0-0", "99999999999999999999-0", "1-1-1", "$", "-",
    [], {}, [[]], [None] * 100, ["a:b"] * 300, {"": ""}, {"a": {"b": {"c": []}}}, {"$var": "data"}, {"$nope": 1},
    {"$eq": [1]}, {"$if": []}, [{"name": "posts", "ops": ["read"]}],
    {"broadcast": "0-0"}, {"broadcast": 5}, {"delays_ms": [0, -1, 1e12]}, {"code": "", "message": 5},
)  # fmt: skip
TYPES: Final = ("emit", "EMIT", "emit ", "", "welcome", "event", "ok", "error", "notice", "__init__", "nope", "a" * 70)
NEWLINES: Final = ("\n", "\n\n", "\r\n", "\r", "\n \n", "\u2028", "\x00", "\n{}\n", " ", ",")
DEPTHS: Final = (1, 63, 64, 65, 900, 2_000, 100_000)
MARK: Final = "\x10raw"


class Frames:
    """An endless supply of frames, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - to be the same each time
        self._kinds: list[tuple[Callable[[], str | bytes], float]] = [
            (self._wrong_values, 56),
            (self._several, 14),
            (self._wrong_type, 8),
            (lambda: self._pick([*GOLDEN, *REFUSED]), 8),
            (self._repeated_members, 5),
            (self._deep, 3),
            (self._spliced, 2),
            (self._flipped, 2),
            (self._cut, 1),
            (self._noise, 0.7),
            (self._too_many, 0.3),
        ]

    def __iter__(self) -> Iterator[str | bytes]:
        makers, weights = zip(*self._kinds, strict=True)
        while True:
            (make,) = self._random.choices(makers, weights)
            yield make()

    def _pick(self, choices: Any) -> Any:
        return choices[self._random.randrange(len(choices))]

    def _message(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._pick(GOLDEN))
        return message

    def _wrong_values(self) -> str:
        message = self._message()
        raws = [self._break(message) for _ in range(self._random.randint(1, 3))]
        text = json.dumps(message, ensure_ascii=self._random.random() < 0.5, separators=(",", ":"))
        for raw in raws:
            text = text.replace(json.dumps(MARK), raw or "null", 1)
        return text

    def _break(self, message: dict[str, Any]) -> str | None:
        """Change one member somewhere; what json cannot write is put where the mark is, and returned."""
        holder: Any = message
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                return None
            key = self._pick(keys)
            inner = holder[key]
            if not isinstance(inner, dict | list) or self._random.random() < 0.5:
                break
            holder = inner
        chance = self._random.random()
        if chance < 0.1 and isinstance(holder, dict):
            del holder[key]
        elif chance < 0.2:
            holder[key] = MARK
            return str(self._pick(RAW))
        elif chance < 0.3:
            holder[key] = self._pick(list(self._message().values()))
        else:
            holder[key] = copy.deepcopy(self._pick(VALUES))
        return None

    def _wrong_type(self) -> str:
        message = self._message()
        message["type"] = self._pick([*TYPES, *VALUES])
        if self._random.random() < 0.1:
            del message["type"]
        return json.dumps(message)

    def _repeated_members(self) -> str:
        wire, other = self._pick(GOLDEN), self._pick(GOLDEN)
        return f"{wire[:-1]},{other[1:]}" if self._random.random() < 0.5 else f"{other[:-1]},{wire[1:]}"

    def _several(self) -> str:
        count = self._random.randint(2, 12)
        parts = [self._wrong_values() if self._random.random() < 0.5 else self._pick(GOLDEN) for _ in range(count)]
        return ("\n" if self._random.random() < 0.9 else self._pick(NEWLINES)).join(parts)

    def _too_many(self) -> str:
        return "\n".join([self._pick(GOLDEN)] * self._pick((511, 512, 513, 2_000)))

    def _deep(self) -> str:
        opening, closing = self._pick((("[", "]"), ('{"a":', "}"), ('{"$not":', "}")))
        depth = self._pick(DEPTHS)
        message = self._message()
        message[self._pick(("data", "meta", "where", "expression", "context", "id", "nobody"))] = MARK
        return json.dumps(message).replace(json.dumps(MARK), opening * depth + "1" + closing * depth)

    def _spliced(self) -> str:
        one, other = self._pick(GOLDEN), self._pick(GOLDEN)
        return str(one[: self._random.randrange(len(one))] + other[self._random.randrange(len(other)) :])

    def _flipped(self) -> bytes:
        frame = bytearray(self._pick(GOLDEN).encode())
        for _ in range(self._random.randint(1, 8)):
            frame[self._random.randrange(len(frame))] = self._random.randrange(256)
        return bytes(frame)

    def _cut(self) -> str:
        wire = self._pick(GOLDEN)
        return str(wire[: self._random.randrange(len(wire))])

    def _noise(self) -> bytes:
        return self._random.randbytes(self._random.randrange(200))
