"""Names of members become what JavaScript calls them, at every depth, and values stay as they are."""

from ipc.protocol.member_names import camel, camel_name


def test_a_name_of_several_words_is_in_camel_case() -> None:
    assert [camel_name(name) for name in ("a", "last_seen", "retry_after_ms")] == ["a", "lastSeen", "retryAfterMs"]


def test_names_are_changed_in_objects_and_lists_and_values_are_not() -> None:
    told = {"last_seen": "not_changed", "each_one": [{"by_service": {"is_here": True}}, "nor_this", None]}
    assert camel(told) == {"lastSeen": "not_changed", "eachOne": [{"byService": {"isHere": True}}, "nor_this", None]}
