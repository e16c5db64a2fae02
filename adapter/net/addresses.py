"""Which addresses a URL that somebody else chose may lead to (security.md A-10): those of the public network alone."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

# A part of each names an IPv4 address that a gateway of the house may translate to.
_TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("2002::/16"), IPv6Network("2001::/32"), IPv6Network("::/96"))


def public_address(host: str, port: int) -> str:
    """The first address of a host, where all that it has are of the public network. Raises OSError where one is private, of this
    machine, of the link, reserved, for many, or an IPv4 address in another's clothes; and where the host has none."""
    addresses = [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not addresses or not all(map(is_public, addresses)):
        raise OSError("not an address of the public network")
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether an IP address is of the public network, reached by everybody as the same machine."""
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return is_public(str(found.ipv4_mapped))
        if found.is_site_local or any(found in net for net in _TRANSLATED):
            return False
    return found.is_global and not found.is_multicast and not found.is_reserved
