"""What counts as one address: all that one subscriber has."""

import pytest

from ipc.protocol.networks import network_of

ADDRESSES = {
    "192.0.2.7": "192.0.2.7",
    "::ffff:192.0.2.7": "192.0.2.7",
    "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
    "2001:db8:1:2::9": "2001:db8:1:2::/64",
    "fe80::1%eth0": "fe80::/64",
    "/run/bridge.sock": "/run/bridge.sock",
    "": "",
}


@pytest.mark.parametrize(("address", "counted"), ADDRESSES.items())
def test_an_address_is_what_one_subscriber_has(address: str, counted: str) -> None:
    assert network_of(address) == counted
