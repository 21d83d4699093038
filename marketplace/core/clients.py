"""Where a request comes from."""

from ipaddress import IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest

OWN_BITS = 64  # of an IPv6 address: what a household or a server has to itself


def address(request: HttpRequest) -> str:
    """The address that a client is known by; whatever the client itself sends, it cannot choose it.

    Behind a proxy it is the last in X-Forwarded-For, which the proxy put there; those before it may be made up. Of an
    IPv6 address the network counts, since who has one has all of its addresses.
    """
    peer = request.META.get("REMOTE_ADDR", "")
    if settings.BEHIND_PROXY:
        peer = request.META.get("HTTP_X_FORWARDED_FOR", peer).rpartition(",")[2].strip()
    try:
        found = ip_address(peer)
    except ValueError:
        return "unknown"
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return f"{IPv6Address(int(found) >> OWN_BITS << OWN_BITS)}/{OWN_BITS}"
