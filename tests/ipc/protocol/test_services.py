"""The names of the services, which the catalogue of the project must agree with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exprsn.catalogue import CATALOGUE, PORTS, TIMELINE_REDIRECT_PORT
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import UnknownServiceError
from ipc.protocol.services import SERVICES, SHORT_NAMES, full_name, meant_by, namespace, short_name


def test_the_catalogue_has_the_services_of_the_protocol() -> None:
    assert {service.name for service in CATALOGUE} == set(SHORT_NAMES) == PORTS.keys()
    assert {service.full_name for service in CATALOGUE} == set(SERVICES)
    assert [service.namespace for service in CATALOGUE] == [f"/ipc/{service.name}" for service in CATALOGUE]


def test_there_are_nineteen_each_on_its_own_port() -> None:
    assert len(CATALOGUE) == len(SERVICES) == 19
    assert len({*PORTS.values(), TIMELINE_REDIRECT_PORT}) == 20


@pytest.mark.parametrize("short", SHORT_NAMES)
def test_both_names_are_accepted_everywhere(short: str) -> None:
    full = f"exprsn-{short}"
    assert (full_name(short), full_name(full)) == (full, full)
    assert (short_name(short), short_name(full)) == (short, short)
    assert namespace(short) == namespace(full) == f"/ipc/{short}"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "exprsn-",
        "exprsn",
        "exprsn-exprsn-timeline",
        "Timeline",
        " timeline",
        "timeline\n",
        "broadcast",
        "*",
        "timelines",
    ],
)
def test_other_names_are_unknown(name: str) -> None:
    for convert in (full_name, short_name, namespace):
        with pytest.raises(UnknownServiceError) as refused:
            convert(name)
        assert refused.value.code is ErrorCode.UNKNOWN_SERVICE
        assert "timeline" in refused.value.message


@given(st.text())
def test_any_text_is_a_service_or_unknown(name: str) -> None:
    try:
        assert full_name(name) in SERVICES
    except UnknownServiceError as unknown:
        assert len(unknown.message) < 500  # noqa: PT017 - both ways are fine, a long message is not


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("tymeline", "timeline"),
        ("exprsn-tymeline", "timeline"),
        ("Herald", "herald"),
        ("exprsn_spark", "spark"),
        ("nobody", None),
        ("", None),
        ("x" * 1_000_000, None),
    ],
)
def test_a_wrong_name_is_likened_to_the_nearest_if_it_is_near(name: str, meant: str | None) -> None:
    assert meant_by(name) == meant
