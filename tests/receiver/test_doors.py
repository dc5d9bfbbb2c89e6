"""Where a request came from: nobody is believed but a proxy of ours, and that only of what it has added itself."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from receiver.doors import sender

PROXIES = [ip_network("10.0.0.5"), ip_network("192.168.0.0/24"), ip_network("fd00::/64")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.5", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.5", ["203.0.113.77, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.5", ["203.0.113.77", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.5", ["198.51.100.1, 192.168.0.7"], "198.51.100.1"),
        ("10.0.0.5", ["192.168.0.7"], "192.168.0.7"),
        ("10.0.0.5", [], "10.0.0.5"),
        ("10.0.0.5", ["198.51.100.1, unknown"], "10.0.0.5"),
        ("10.0.0.5", [""], "10.0.0.5"),
        ("::ffff:10.0.0.5", ["198.51.100.1"], "198.51.100.1"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_the_nearest_address_that_is_no_proxy_s(peer: str, forwarded: list[str], found: str) -> None:
    assert sender(peer, forwarded, PROXIES) == found


def test_without_proxies_what_a_header_says_is_nothing() -> None:
    assert sender("10.0.0.5", ["198.51.100.1"], ()) == "10.0.0.5"
