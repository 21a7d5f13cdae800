"""pyqwest: Rust's reqwest once more, with a transport for httpx of its own."""

import httpx
from pyqwest import HTTPTransport
from pyqwest.httpx import AsyncPyqwestTransport

from benchmarks.transports.candidates import IDLE_PER_HOST, IDLE_S, Wanted

API = httpx


def transport(wanted: Wanted) -> httpx.AsyncBaseTransport:
    """Return it with the bounds that the others have; it has none for all connections together."""
    return AsyncPyqwestTransport(
        HTTPTransport(
            tls_ca_cert=wanted.authority.read_bytes(),
            pool_idle_timeout=IDLE_S,
            pool_max_idle_per_host=IDLE_PER_HOST,
            enable_gzip=False,
            enable_brotli=False,
            enable_zstd=False,
            follow_redirects=False,
            enable_otel=False,
        )
    )


def plain() -> httpx.AsyncBaseTransport:
    """Return it with what its documentation asks for."""
    return AsyncPyqwestTransport(HTTPTransport(tls_include_system_certs=True))


def guarded(wanted: Wanted) -> None:
    """Return None: its resolver and its sockets are out of reach."""
