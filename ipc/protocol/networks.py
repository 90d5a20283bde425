"""What counts as one address where something is counted for addresses."""

import ipaddress
from typing import Final

IPV6_PREFIX: Final = 64
"""Bits of an address that name a network (RFC 4291, section 2.5.1): whoever has one address of it has them all."""


def network_of(address: str) -> str:
    """Return an IPv4 address as it is, of an IPv6 one its network, and anything else, such as a path, as it is."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))
