"""The names of members in JSON for people and for JavaScript, which are in camelCase."""

from typing import Any


def camel(value: Any) -> Any:
    """Return the same with the names of members in camelCase; only for values whose members have names of ours."""
    if isinstance(value, dict):
        return {camel_name(name): camel(member) for name, member in value.items()}
    return [camel(item) for item in value] if isinstance(value, list) else value


def camel_name(name: str) -> str:
    """Return a name in camelCase."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
