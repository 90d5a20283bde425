"""The peers of JSONLex at the same three tasks, in an interpreter of their own: one line of JSON, seconds for each.

Run with the names of the peers to time; each task is first checked to give what it should.
"""

import json
import sys
import timeit
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

ROUNDS = 3
LEAST_S = 0.1

PERSON = {"firstName": "John", "lastName": "Doe", "age": 25}
EVENT = {
    "id": "01J9",
    "event": "post:created",
    "source": "exprsn-timeline",
    "target": "broadcast",
    "ts": 1700000000000,
    "meta": None,
    "data": {
        "id": "0191f5c2-7c1e-7a53-9d64-2f1b7b6e4a10",
        "userId": "u1",
        "content": "A post of a few words, as most are.",
        "visibility": "public",
        "likeCount": 12,
        "media": [],
    },
}
POSTS: dict[str, list[dict[str, Any]]] = {
    "posts": [{"id": number, "likes": number % 100, "title": f"post {number}"} for number in range(1000)]
}

Tasks = Iterator[tuple[str, Callable[[], Any], Any]]

SEED = {"fullName": "John Doe", "isAdult": True}
POPULAR = [post["likes"] * 2 for post in POSTS["posts"] if post["likes"] > 50]


def v(path: str) -> dict[str, str]:
    """Return a variable of JSON Logic."""
    return {"var": path}


# JSON Logic makes no objects, so its answers are arrays of the same values.
LOGIC: dict[str, tuple[Any, Any, Any]] = {
    "seed": (
        {"merge": [{"cat": [v("firstName"), " ", v("lastName")]}, {">=": [v("age"), 18]}]},
        PERSON,
        [*SEED.values()],
    ),
    "where": ({"and": [{"==": [v("data.visibility"), "public"]}, {">": [v("data.likeCount"), 10]}]}, EVENT, True),
    "filter_map": (
        {"map": [{"filter": [v("posts"), {">": [v("likes"), 50]}]}, {"*": [v("likes"), 2]}]},
        POSTS,
        POPULAR,
    ),
}
CEL: dict[str, tuple[str, Any, Any]] = {
    "seed": ('{"fullName": firstName + " " + lastName, "isAdult": age >= 18}', PERSON, SEED),
    "where": ('data.visibility == "public" && data.likeCount > 10', EVENT, True),
    "filter_map": ("posts.filter(p, p.likes > 50).map(p, p.likes * 2)", POSTS, POPULAR),
}


def panzi_json_logic() -> Tasks:
    """It interprets the rule each time; there is no compiled form."""
    from json_logic import jsonLogic  # type: ignore[import-not-found] # it is installed elsewhere

    for task, (logic, context, expected) in LOGIC.items():
        yield task, partial(jsonLogic, logic, context), expected


def jsonlogic_rs() -> Tasks:
    """It has no compiled form: each call takes the whole rule and the whole context across."""
    import jsonlogic_rs  # type: ignore[import-not-found] # it is installed elsewhere

    for task, (logic, context, expected) in LOGIC.items():
        yield task, partial(jsonlogic_rs.apply, logic, context), expected


def datalogic_py() -> Tasks:
    """It is compiled, and takes the context across each time."""
    import datalogic_py  # type: ignore[import-not-found] # it is installed elsewhere

    engine = datalogic_py.Engine()
    for task, (logic, context, expected) in LOGIC.items():
        rule = engine.compile(logic)
        yield task, partial(rule.evaluate, context), expected


def cel_python() -> Tasks:
    """Compiled once; contexts are converted outside of what is timed, which is in its favour."""
    import celpy  # type: ignore[import-not-found] # it is installed elsewhere

    for task, (source, context, expected) in CEL.items():
        environment = celpy.Environment()
        program = environment.program(environment.compile(source))
        activation = {name: celpy.json_to_cel(value) for name, value in context.items()}
        yield task, partial(program.evaluate, activation), expected


PEERS = {
    "panzi-json-logic": panzi_json_logic,
    "cel-python": cel_python,
    "jsonlogic-rs": jsonlogic_rs,
    "datalogic-py": datalogic_py,
}


def seconds(task: Callable[[], Any]) -> float:
    """Return the least time of a call over the rounds."""
    number, _ = timeit.Timer(task).autorange()
    number = max(1, int(number * LEAST_S / 0.2))
    return min(timeit.repeat(task, number=number, repeat=ROUNDS)) / number


def plain(value: Any) -> Any:
    """Return a result as JSON has it: CEL has a class of its own for booleans."""
    return json.loads(json.dumps(value, default=bool))


if __name__ == "__main__":
    found: dict[str, dict[str, float | str]] = {}
    for name in sys.argv[1:]:
        found[name] = {}
        try:
            for task, run, expected in PEERS[name]():
                if plain(run()) != expected:
                    found[name][task] = f"gives {str(run())[:80]}"
                else:
                    found[name][task] = seconds(run)
        except ImportError as error:
            found[name]["missing"] = str(error)
    print(json.dumps(found))
