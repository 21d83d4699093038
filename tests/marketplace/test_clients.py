import pytest
from django.test import RequestFactory

from marketplace.core import clients


def address(peer="192.0.2.1", **headers):
    return clients.address(RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers))


def test_without_a_proxy_a_client_is_where_its_connection_comes_from():
    assert address() == "192.0.2.1"
    assert address(x_forwarded_for="198.51.100.7") == "192.0.2.1"


def test_behind_a_proxy_it_is_what_the_proxy_added_last(settings):
    settings.BEHIND_PROXY = True
    assert address(x_forwarded_for="198.51.100.7") == "198.51.100.7"
    assert address(x_forwarded_for="made up, 203.0.113.5,198.51.100.7") == "198.51.100.7"
    assert address() == "192.0.2.1"


@pytest.mark.parametrize(
    ("peer", "known_by"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("nonsense", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_network_of_six_counts_as_one(peer, known_by):
    assert address(peer) == known_by
