"""What the package's types say of the bridge's answers is what the bridge has in them."""

import re
from typing import get_args

import msgspec
import pytest

from ipc.protocol import declarations, delivery_status, discovery, explanation, operations
from ipc.protocol.member_names import camel_name
from tests.npm.building import PACKAGE

ANSWERS = [
    *(("event_status.ts", kind) for kind in (
        delivery_status.EventStatus, delivery_status.EventPlace, delivery_status.GroupStatus,
    )),
    *(("services.ts", kind) for kind in (
        discovery.ServiceInfo, discovery.InstanceInfo, discovery.ServedResource, discovery.GroupHearing,
        discovery.EndpointFigures, discovery.OwnerState, declarations.DeclaredInfo, declarations.Drift,
    )),
    *(("explanation.ts", kind) for kind in (
        explanation.Explanation, explanation.LiveVerdict, explanation.GroupVerdict,
    )),
    ("long_operation.ts", operations.OperationInfo),
]  # fmt: skip
_MEMBER = re.compile(r"^  readonly (\w+)(\??):", re.MULTILINE)


def _interface(file: str, name: str) -> dict[str, bool]:
    """Return the members of an interface, and whether each may be left out."""
    text = (PACKAGE / "src" / file).read_text(encoding="utf-8")
    found = re.search(rf"^export interface {name} {{\n(.*?)^}}", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"{file} has no {name}"
    return {member: optional == "?" for member, optional in _MEMBER.findall(found[1])}


@pytest.mark.parametrize(("file", "kind"), ANSWERS, ids=lambda given: getattr(given, "__name__", given))
def test_an_answer_has_the_members_that_its_type_has(file: str, kind: type[msgspec.Struct]) -> None:
    """And those may be left out in which nothing is said."""
    may_be_omitted = kind.__struct_config__.omit_defaults
    members = {
        camel_name(field.encode_name): may_be_omitted and not field.required for field in msgspec.structs.fields(kind)
    }
    assert _interface(file, kind.__name__) == members


@pytest.mark.parametrize(
    ("file", "name", "values"),
    [
        ("event_status.ts", "DeliveryState", [state.value for state in delivery_status.State]),
        ("explanation.ts", "Reason", [reason.value for reason in explanation.Reason]),
        ("long_operation.ts", "OperationStatus", list(get_args(operations.Status))),
    ],
)
def test_a_word_of_an_answer_is_one_that_its_type_knows(file: str, name: str, values: list[str]) -> None:
    text = (PACKAGE / "src" / file).read_text(encoding="utf-8")
    found = re.search(rf"^export type {name} =(.*?);$", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    assert re.findall(r'"(\w+)"', found[1]) == values
