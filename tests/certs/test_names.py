"""Names of services and of certificates."""

import pytest
from cryptography import x509

from certs.errors import InvalidNameError
from certs.names import alternative_names, parse_alternative_name, resolve, short_name, united

SERVICES = ["exprsn-ca", "exprsn-timeline"]


@pytest.mark.parametrize("name", ["timeline", "exprsn-timeline"])
def test_a_service_is_found_by_either_name(name: str) -> None:
    """The short and the full name are the same service."""
    assert resolve(name, SERVICES) == "exprsn-timeline"


def test_localhost_counts_as_a_service() -> None:
    """Its certificate is made like the others."""
    assert resolve("localhost", SERVICES) == "localhost"


@pytest.mark.parametrize("name", ["", "time", "exprsn-", "../timeline"])
def test_an_unknown_service_is_refused_with_the_known_ones(name: str) -> None:
    """The sentence says what could have been meant."""
    with pytest.raises(InvalidNameError, match="it is one of ca, timeline, or localhost"):
        resolve(name, SERVICES)


def test_a_short_name_is_its_own_short_name() -> None:
    """Shortening twice changes nothing."""
    assert short_name("timeline") == short_name("exprsn-timeline") == "timeline"


def test_a_service_is_known_by_its_names_and_this_machines() -> None:
    """DNS names and addresses that each certificate carries."""
    values = [str(name.value) for name in alternative_names("exprsn-timeline")]
    assert values[:4] == ["localhost", "*.localhost", "exprsn-timeline", "timeline"]
    assert values[-2:] == ["127.0.0.1", "::1"]


@pytest.mark.parametrize("text", ["10.0.0.7", "fe80::1", "[::1]"])
def test_an_address_becomes_an_address(text: str) -> None:
    """A client that connects to an address compares addresses, not names."""
    assert isinstance(parse_alternative_name(text), x509.IPAddress)


@pytest.mark.parametrize("text", ["Timeline.Example.org", "*.example.org", "my_host"])
def test_a_dns_name_becomes_a_dns_name_in_lower_case(text: str) -> None:
    """DNS names compare without case."""
    assert parse_alternative_name(text) == x509.DNSName(text.lower())


@pytest.mark.parametrize("text", ["", "a b", "-a.org", "a..org", "ä.org", "https://a.org", "*", "a.*.org", "a" * 254])
def test_anything_else_is_refused(text: str) -> None:
    """What is neither would make a certificate that nobody accepts."""
    with pytest.raises(InvalidNameError, match="neither an IP address nor a DNS name"):
        parse_alternative_name(text)


def test_united_keeps_the_order_and_drops_repeats() -> None:
    """A name that is asked for twice is in the certificate once."""
    one, two = x509.DNSName("one"), x509.DNSName("two")
    assert united([two, one], [one]) == (two, one)
