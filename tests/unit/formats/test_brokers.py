"""Rendezvous hashing of sites over brokers, against values that sha256sum gives."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.formats.brokers import BrokerAddress, broker_of, parse_address, without_port

THREE = tuple(BrokerAddress(f"mqtt-{number}.example", 8883) for number in (1, 2, 3))
MANY = [f"street-{number}" for number in range(3000)]


@pytest.mark.parametrize(
    ("site", "number"),
    # printf 'SITE\0mqtt-N.example:8883' | sha256sum: the N with the greatest digest
    [("test-street", 3), ("school-street", 3), ("car-free-zone", 2), ("site-4", 3)],
)
def test_a_site_has_the_broker_with_the_greatest_digest(site: str, number: int) -> None:
    assert broker_of(site, THREE).host == f"mqtt-{number}.example"


@given(st.permutations(THREE), st.sampled_from(MANY))
def test_the_order_of_the_list_changes_nothing(addresses: list[BrokerAddress], site: str) -> None:
    assert broker_of(site, addresses) == broker_of(site, THREE)


def test_a_new_broker_takes_sites_over_and_moves_no_other() -> None:
    more = (*THREE, BrokerAddress("mqtt-4.example", 8883))
    moved = [site for site in MANY if broker_of(site, more) != broker_of(site, THREE)]

    assert {broker_of(site, more) for site in moved} == {more[3]}
    assert 600 < len(moved) < 900  # a quarter is 750


def test_sites_are_spread_evenly() -> None:
    counts = Counter(broker_of(site, THREE) for site in MANY)
    assert all(900 < count < 1100 for count in counts.values()), counts


def test_no_broker_is_refused() -> None:
    with pytest.raises(ValueError, match="no broker"):
        broker_of("test-street", ())


@pytest.mark.parametrize("port", ["", "+8883", "8_883", " 8883", "-1", "\u0668"])
def test_a_port_that_is_not_digits_is_refused(port: str) -> None:
    with pytest.raises(ValueError, match="digits"):
        parse_address(f"mqtt.example:{port}", 1883)


@pytest.mark.parametrize(
    ("text", "host", "port", "shown"),
    [
        ("MQTT.example", "mqtt.example", 1883, "mqtt.example:1883"),
        ("mqtt.example:8883", "mqtt.example", 8883, "mqtt.example:8883"),
        ("[2001:DB8::1]", "2001:db8::1", 1883, "[2001:db8::1]:1883"),
        ("[2001:db8::1]:8883", "2001:db8::1", 8883, "[2001:db8::1]:8883"),
    ],
)
def test_an_address_is_host_and_port(text: str, host: str, port: int, shown: str) -> None:
    address = parse_address(text, 1883)
    assert (address.host, address.port, str(address)) == (host, port, shown)


@pytest.mark.parametrize("host", ["mqtt.example", "192.0.2.1", "::1", "2001:db8::1", "fe80::1"])
def test_a_host_alone_has_no_port(host: str) -> None:
    assert without_port(host) == host


@pytest.mark.parametrize("host", ["mqtt.example:8883", "192.0.2.1:1883", "mqtt:"])
def test_a_port_behind_a_host_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="port"):
        without_port(host)
