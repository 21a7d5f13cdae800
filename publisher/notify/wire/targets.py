"""Where a request goes, read from its URL; of which host that is, only once, since most are asked again."""

import re
from functools import lru_cache
from typing import NamedTuple

import httpx

from publisher.notify.wire.idle import Origin

_KNOWN = 16_384  # hosts
_URL = re.compile(r"(?P<host>(?i:https?)://[^/?#@]+)(?P<path>[/?][!-~]*)?")
_DEFAULT_PORT = {"http": 80, "https": 443}
_HIGHEST_PORT = 65535


class Host(NamedTuple):
    """Whom a URL leads to.

    Attributes:
        url: without a path, as httpx reads it.
        origin: whom to connect to.
        authority: what `Host` says.
    """

    url: httpx.URL
    origin: Origin
    authority: str


class Target(NamedTuple):
    """Where a request goes.

    Attributes:
        path: with the query, as it was written: httpx would tidy it up (`%2f` becomes `/`), which breaks
            receivers that compare it.
    """

    host: Host
    path: bytes


def target_of(url: str) -> Target:
    """Return where a request to this URL goes.

    Raises:
        httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError: when it cannot be requested.
    """
    written = _URL.fullmatch(url)
    if written is None:
        raise httpx.LocalProtocolError("the URL cannot be requested")
    path = (written["path"] or "/").partition("#")[0]
    return Target(_host(written["host"]), (path if path.startswith("/") else f"/{path}").encode())


@lru_cache(_KNOWN)
def _host(written: str) -> Host:
    url = httpx.URL(written)
    return Host(url, _origin(url), url.netloc.decode())


def _origin(url: httpx.URL) -> Origin:
    # httpx's `host` refuses names that the DNS has, those of emoji for instance.
    if url.scheme not in _DEFAULT_PORT or not url.raw_host:
        raise httpx.UnsupportedProtocol("the URL must begin with http:// or https://, and name a host")
    port = _DEFAULT_PORT[url.scheme] if url.port is None else url.port
    if not 1 <= port <= _HIGHEST_PORT:
        raise httpx.LocalProtocolError(f"there is no port {port}")
    return Origin(url.scheme == "https", url.raw_host.decode(), port)
