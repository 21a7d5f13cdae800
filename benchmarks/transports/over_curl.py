"""httpx-curl-cffi: libcurl in a build that can look like a browser, which is not asked of it here."""

import httpx
from curl_cffi import CurlHttpVersion, CurlOpt
from httpx_curl_cffi import AsyncCurlTransport

from benchmarks.transports.candidates import CONNECTIONS_IDLE, IDLE_S, Wanted

API = httpx


def transport(wanted: Wanted) -> httpx.AsyncBaseTransport:
    """Return it with the bounds that libcurl has."""
    return AsyncCurlTransport(
        max_connections=wanted.connections,
        http_version=CurlHttpVersion.V1_1,
        verify=True,
        curl_options={
            CurlOpt.CAINFO: str(wanted.authority).encode(),
            CurlOpt.MAXCONNECTS: CONNECTIONS_IDLE,
            CurlOpt.MAXAGE_CONN: IDLE_S,
            CurlOpt.PATH_AS_IS: 1,
            CurlOpt.NOSIGNAL: 1,
            CurlOpt.NOPROXY: b"*",
        },
    )


def plain() -> httpx.AsyncBaseTransport:
    """Return it without any argument."""
    return AsyncCurlTransport()


def guarded(wanted: Wanted) -> None:
    """Return None: libcurl has the place, its binding does not reach it."""
