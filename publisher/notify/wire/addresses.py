"""Addresses that webhooks may go to: one rule, asked when an endpoint is made, tested and connected to."""

import socket
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Lookup = Callable[[str], Iterable[str]]

# Our own table: `ipaddress.is_global` trusts ranges that carry another address inside (NAT64, 6to4, mapped).
# Sources: the IANA special-purpose registries for IPv4 and IPv6, and what clouds answer their guests on.
_FORBIDDEN: tuple[Network, ...] = tuple(
    ip_network(cidr)
    for cidr in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carriers' NAT; Alibaba's metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's host, reachable from every guest
        "169.254.0.0/16",  # link-local; metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "::/3",  # loopback, unspecified, IPv4 mapped or compatible, NAT64
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
        "4000::/2",  # not assigned
        "8000::/1",  # unique local, link-local, site-local, multicast, not assigned
    )
)


def is_allowed_address(address: Address, allowed: Sequence[Network]) -> bool:
    """Return whether a webhook may be sent to this address: it is public, or inside an allowed network."""
    if any(address in network for network in allowed):
        return True
    scoped = isinstance(address, IPv6Address) and address.scope_id is not None
    return not scoped and not any(address in network for network in _FORBIDDEN)


def addresses_of(name: str) -> Iterable[str]:
    """Return the addresses of a name, asking the system's resolver; blocks.

    Raises:
        OSError: when the name does not resolve.
    """
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
