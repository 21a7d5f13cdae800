"""What is watched is made anew as soon as it has changed, before anybody has to wait for it."""

import threading
import time
from collections.abc import Collection
from uuid import UUID

import structlog

from feeds.address import Address
from feeds.serving.shelf import GOOD_FOR_S, Shelf
from feeds.serving.store import FeedStore
from publisher.hindrance import hindrance_of

log = structlog.get_logger("publisher.feeds")


class Renewal:
    """Makes documents in a thread of its own, each at most once in GOOD_FOR_S, until it is stopped."""

    def __init__(self, store: FeedStore, shelf: Shelf) -> None:
        self._store = store
        self._shelf = shelf
        self._wanted: dict[str, Address] = {}
        self._something = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="renewal", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the document in hand."""
        with self._something:
            self._stopped = True
            self._something.notify()

    def outdate(self, labels: Collection[UUID], *, at_once: bool = False) -> None:
        """Take note that feeds have changed; `at_once` as the shelf has it."""
        watched = self._shelf.outdate(labels, at_once=at_once)
        if watched:
            with self._something:
                self._wanted.update((address.path, address) for address in watched)
                self._something.notify()

    def _run(self) -> None:
        while True:
            with self._something:
                while not self._wanted and not self._stopped:
                    self._something.wait()
                if self._stopped:
                    return
                wanted, self._wanted = self._wanted, {}
            for address in wanted.values():
                self._renew(address)
            # What changes meanwhile waits for the next round: no document is made twice in this time.
            time.sleep(GOOD_FOR_S)

    def _renew(self, address: Address) -> None:
        try:
            self._store.renewed(address)
        except Exception as error:
            # The next reader looks into the record, and hears why, if it lasts.
            reason = hindrance_of(error)
            log.warning("feed.not_renewed", address=repr(address), reason=reason, exc_info=reason is None)
