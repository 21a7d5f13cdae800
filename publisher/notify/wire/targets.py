"""Where a request goes: read once from its URL, since most endpoints are sent to again and again."""

import re
from dataclasses import dataclass
from functools import lru_cache

import httpx

from publisher.notify.wire.idle import Origin

_KNOWN = 16_384  # URLs
_URL = re.compile(r"(?i:https?)://[^/?#@]+(?P<path>[/?][!-~]*)?")
_DEFAULT_PORT = {"http": 80, "https": 443}
_HIGHEST_PORT = 65535


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Where a request goes.

    Attributes:
        url: as httpx reads it.
        origin: whom to connect to.
        authority: what `Host` says.
        path: with the query, as it was written: httpx would tidy it up (`%2f` becomes `/`), which breaks
            receivers that compare it.
    """

    url: httpx.URL
    origin: Origin
    authority: str
    path: bytes


@lru_cache(_KNOWN)
def target_of(url: str) -> Target:
    """Return where a request to this URL goes.

    Raises:
        httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError: when it cannot be requested.
    """
    written = _URL.fullmatch(url)
    if written is None:
        raise httpx.LocalProtocolError("the URL cannot be requested")
    path = (written["path"] or "/").partition("#")[0]
    path = path if path.startswith("/") else f"/{path}"
    read = httpx.URL(url)
    return Target(url=read, origin=_origin(read), authority=read.netloc.decode(), path=path.encode())


def _origin(url: httpx.URL) -> Origin:
    if url.scheme not in _DEFAULT_PORT or not url.host:
        raise httpx.UnsupportedProtocol("the URL must begin with http:// or https://, and name a host")
    port = _DEFAULT_PORT[url.scheme] if url.port is None else url.port
    if not 1 <= port <= _HIGHEST_PORT:
        raise httpx.LocalProtocolError(f"there is no port {port}")
    return Origin(url.scheme == "https", url.raw_host.decode(), port)
