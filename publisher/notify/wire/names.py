"""Names of receivers: looked up in threads, known for some seconds, and refused as a whole if one is bad."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

import httpx

from publisher.notify.wire.addresses import Address, Lookup, Network, is_allowed_address

KNOWN_S = 10.0
"""How long the addresses of a name are taken for granted."""

_MOST_KNOWN = 10_000
# More than endpoints that answer slowly may have in flight: a look-up goes on when its request has ended.
_THREADS = 256


class RefusedAddress(httpx.ConnectError):
    """Webhooks may not go to this address. Trying again helps once the name leads elsewhere."""


class NameNotFound(httpx.ConnectError):
    """The name has no address."""


class Names:
    """Knows where names lead, and which addresses webhooks may go to."""

    def __init__(self, allowed: Sequence[Network], lookup: Lookup) -> None:
        """Know no name.

        Args:
            allowed: networks that receivers may lie in besides public ones.
            lookup: returns the addresses of a name or raises OSError; called in threads.
        """
        self._allowed = tuple(allowed)
        self._lookup = lookup
        # asyncio's own pool has a handful of threads, which a few slow name servers would hold.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="resolve")
        # Those that were asked for first come first.
        self._known: dict[str, tuple[float, asyncio.Future[list[str]]]] = {}

    def check(self, address: Address) -> None:
        """Check one address.

        Raises:
            RefusedAddress: when webhooks may not go there.
        """
        if not is_allowed_address(address, self._allowed):
            raise RefusedAddress(f"webhooks may not go to {address}")

    async def addresses(self, name: str) -> Sequence[str]:
        """Return the addresses of a name, none of which is refused.

        Raises:
            RefusedAddress: when one of them is.
            NameNotFound: when there are none.
        """
        now = time.monotonic()
        until, asked = self._known.get(name, (0.0, None))
        if asked is None or (until <= now and asked.done()) or _failed(asked):
            self._known.pop(name, None)
            self._make_room(now)
            asked = asyncio.get_running_loop().run_in_executor(self._threads, self._ask, name)
            # Nobody may be left to hear that it failed.
            asked.add_done_callback(_failed)
            self._known[name] = now + KNOWN_S, asked
        # Others may wait for it, too.
        return asked.result() if asked.done() else await asyncio.shield(asked)

    def _make_room(self, now: float) -> None:
        while self._known:
            oldest = next(iter(self._known))
            until, asked = self._known[oldest]
            if len(self._known) < _MOST_KNOWN and (until > now or not asked.done()):
                return
            del self._known[oldest]

    def _ask(self, name: str) -> list[str]:
        try:
            found = list(self._lookup(name))
        except (OSError, UnicodeError) as error:
            raise NameNotFound(f"{name}: {error}") from error
        if not found:
            raise NameNotFound(f"{name} has no address")
        for address in found:
            if not is_allowed_address(ip_address(address), self._allowed):
                raise RefusedAddress(f"{name} resolves to {address}: webhooks may not go there")
        return found

    def close(self) -> None:
        """Take no more names; a look-up that still runs cannot be interrupted and ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _failed(asked: asyncio.Future[list[str]]) -> bool:
    return asked.done() and (asked.cancelled() or asked.exception() is not None)
