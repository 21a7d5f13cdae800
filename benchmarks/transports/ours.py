"""Ours: `publisher.notify.wire.transport`, made as `WebhookClient` makes it."""

import ssl

import httpx

from benchmarks.transports.candidates import LOOPBACK, Wanted
from publisher.notify.wire.addresses import addresses_of
from publisher.notify.wire.transport import GuardedTransport

API = httpx


def transport(wanted: Wanted) -> httpx.AsyncBaseTransport:
    """Return it with loopback allowed; how many connections there are at once is its caller's business."""
    return GuardedTransport(allowed=LOOPBACK, lookup=addresses_of, tls=_tls(wanted))


def plain() -> httpx.AsyncBaseTransport:
    """Return it with the authorities that the client trusts by default."""
    return GuardedTransport(allowed=LOOPBACK, lookup=addresses_of, tls=httpx.create_ssl_context())


def guarded(wanted: Wanted) -> httpx.AsyncBaseTransport:
    """Return it with nothing but public addresses allowed."""
    return GuardedTransport(allowed=(), lookup=addresses_of, tls=_tls(wanted))


def _tls(wanted: Wanted) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(wanted.authority))
