"""An address is counted as itself, or as the network that one host has."""

from __future__ import annotations

import pytest

from regcred.domain.peer import counted_as


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1:2:3", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::1%eth0", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
    ],
)
def test_a_peer_is_an_ipv4_address_or_an_ipv6_network(one: str, other: str, *, same: bool) -> None:
    assert (counted_as(one) == counted_as(other)) is same


@pytest.mark.parametrize("text", ["", "a socket", "x:y"])
def test_what_is_no_address_stands_for_itself(text: str) -> None:
    assert counted_as(text) == text
