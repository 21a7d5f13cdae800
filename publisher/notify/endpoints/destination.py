"""The URL of an endpoint: what it may look like, and where it may lead."""

import re
import threading
from collections.abc import Sequence
from ipaddress import ip_address
from queue import Empty, SimpleQueue

from publisher.errors import InvalidInput
from publisher.notify.wire.addresses import Address, Lookup, Network, addresses_of, is_allowed_address

_LOOPBACK: tuple[Address, ...] = (ip_address("127.0.0.1"), ip_address("::1"))
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>[/?][^#]*)?(?P<fragment>#.*)?",
    re.DOTALL,
)
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?P<port>:[0-9]*)?")
# RFC 3986: what a URL is written with; anything else is read in two ways by two programs.
_OUTSIDE_URL = re.compile(r"[^A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_MAX_URL_LENGTH = 2048
_MAX_HOST_LENGTH = 253


def check_url(url: str, *, allowed: Sequence[Network], allow_http: bool) -> None:
    """Check all that can be known of an endpoint's URL without asking the network.

    IPv4 addresses are accepted as four decimal numbers only: programs disagree on what `127.1` or
    `0177.0.0.1` mean, so these are refused even where the address itself is allowed.

    Raises:
        InvalidInput: pointing at `/url`, when the URL is not absolute https (or http, if allowed), holds what
            cannot stand in a URL, user data or a fragment, or names a host that webhooks may not go to.
    """
    _check_characters(url)
    parts = _URL.fullmatch(url)
    if parts is None:
        raise _bad("must be an absolute URL: https://host/path")
    if parts["scheme"].lower() not in ({"https", "http"} if allow_http else {"https"}):
        raise _bad("must start with https://" + (" or http://" if allow_http else ""))
    if parts["fragment"] is not None:
        raise _bad("must not have a fragment (#…)")
    if "@" in parts["authority"]:
        raise _bad("must not hold a user name or password (…@)")
    authority = _AUTHORITY.fullmatch(parts["authority"])
    if authority is None:
        raise _bad("must name a host: a domain name or a public IP address")
    if authority["port"] is not None and not _is_port(authority["port"][1:]):
        raise _bad("must have a port from 1 to 65535, or none")
    _check_host(authority["host"], allowed)


def check_name(
    url: str, *, allowed: Sequence[Network], lookup: Lookup | None = None, timeout_s: float = 3
) -> None:
    """Check the addresses that the host of a URL, accepted by `check_url`, has right now.

    A name that does not resolve in time is accepted: it may come up later, and every connect asks again.

    Args:
        lookup: returns the addresses of a name or raises OSError; by default the system's resolver.
        timeout_s: how long to wait for it.

    Raises:
        InvalidInput: pointing at `/url`, when one of the addresses is one that webhooks may not go to.
    """
    host = host_of(url)
    if host_address(host) is not None:
        return
    for text in _found_in_time(host, lookup or addresses_of, timeout_s):
        if not is_allowed_address(ip_address(text), allowed):
            raise _bad(f"{host} resolves to {text}, where webhooks may not go")


def host_of(url: str) -> str:
    """Return the host of a URL that `check_url` accepted: lower case, an IPv6 address without brackets."""
    authority = url.partition("://")[2].partition("/")[0].partition("?")[0]
    host = _AUTHORITY.fullmatch(authority)
    return host["host"].strip("[]").lower() if host else ""


def host_address(host: str) -> Address | None:
    """Return the address that a host is in canonical spelling, None for anything else."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _check_characters(url: str) -> None:
    if len(url) > _MAX_URL_LENGTH:
        raise _bad(f"must have at most {_MAX_URL_LENGTH} characters")
    outside = _OUTSIDE_URL.search(url)
    if outside is not None:
        raise _bad(
            f"holds the character U+{ord(outside[0]):04X}, which a URL cannot; "
            "write it percent-encoded, and a host in its xn-- form"
        )


def _check_host(host: str, allowed: Sequence[Network]) -> None:
    address = host_address(host.strip("[]"))
    if address is not None and (address.version == 6) == host.startswith("["):
        if not is_allowed_address(address, allowed):
            raise _bad(f"{address} is a private or reserved address, where webhooks may not go")
        return
    name = host.removesuffix(".").lower()
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        raise _bad("must spell an IPv4 address as four decimal numbers: 192.0.2.1")
    if len(name) > _MAX_HOST_LENGTH or not all(_LABEL.fullmatch(label) for label in labels):
        raise _bad("must name a host: a domain name or a public IP address")
    if labels[-1] == "localhost" and not any(
        address in network for address in _LOOPBACK for network in allowed
    ):
        raise _bad("localhost is a private address, where webhooks may not go")


def _is_port(text: str) -> bool:
    return text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535


def _found_in_time(host: str, lookup: Lookup, timeout_s: float) -> list[str]:
    """Return the addresses of a name; none when there are none, or none in time.

    The resolver cannot be interrupted, so it works in a thread that is left behind when it takes too long.
    """
    found: SimpleQueue[list[str]] = SimpleQueue()

    def look_up() -> None:
        try:
            found.put(list(lookup(host)))
        except (OSError, UnicodeError):
            found.put([])

    threading.Thread(target=look_up, daemon=True, name="lookup").start()
    try:
        return found.get(timeout=timeout_s)
    except Empty:
        return []


def _bad(detail: str) -> InvalidInput:
    return InvalidInput.of("/url", detail)
