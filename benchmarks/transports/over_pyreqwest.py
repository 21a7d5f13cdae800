"""pyreqwest: Rust's reqwest, with a transport for httpx of its own."""

from datetime import timedelta

import httpx
from pyreqwest.client import ClientBuilder
from pyreqwest.compatibility.httpx import HttpxTransport

from benchmarks.transports.candidates import IDLE_PER_HOST, IDLE_S, Wanted

API = httpx


def transport(wanted: Wanted) -> httpx.AsyncBaseTransport:
    """Return it with the bounds that the others have; it has none for all idle connections together."""
    made = ClientBuilder().no_proxy().follow_redirects(False).default_cookie_store(False)
    made = made.gzip(False).brotli(False).zstd(False).deflate(False)
    made = made.max_connections(wanted.connections).pool_max_idle_per_host(IDLE_PER_HOST)
    made = made.pool_idle_timeout(timedelta(seconds=IDLE_S))
    return HttpxTransport(made.add_root_certificate_pem(wanted.authority.read_bytes()).build())


def plain() -> httpx.AsyncBaseTransport:
    """Return it without any argument."""
    return HttpxTransport()


def guarded(wanted: Wanted) -> None:
    """Return None: its resolver and its sockets are out of reach."""
