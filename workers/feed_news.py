"""Hears which feeds have changed, for the documents that a web process keeps in memory."""

import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog

from feeds.serving.renewal import Renewal
from feeds.serving.shelf import Shelf
from feeds.serving.store import FeedStore
from publisher.database import Channel
from publisher.feed_state import AT_ONCE
from workers.listen import Listener

log = structlog.get_logger("publisher.feeds")
_LOOK_S = 0.25
# Between two proofs that news still come, while somebody asks for feeds. Every document is validated in the
# record when the last proof is older than TRUSTED_S, so what nobody has told us is as old as that at most.
_PROVE_EVERY_S = 0.4
TRUSTED_S = 0.8


@contextmanager
def heard_news(url: str, store: FeedStore, shelf: Shelf) -> Iterator[None]:
    """Keep a shelf up to date, in threads of its own.

    Args:
        url: of the database itself: nothing is heard through a pooler.
    """
    renewal = Renewal(store, shelf)
    news = FeedNews(url, shelf, renewal)
    renewal.start()
    news.start()
    try:
        yield
    finally:
        news.stop()
        renewal.stop()


class FeedNews:
    """A thread that listens until it is stopped."""

    def __init__(self, url: str, shelf: Shelf, renewal: Renewal) -> None:
        """Prepare to listen."""
        self._url = url
        self._shelf = shelf
        self._renewal = renewal
        self._proven_at: float | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed news", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End soon."""
        self._stopped.set()

    def _run(self) -> None:
        with Listener(self._url, Channel.FEEDS) as listener:
            while not self._stopped.is_set():
                said = listener.hear(_LOOK_S)
                if said is None:
                    self._miss()
                    continue
                self._take_in(said)
                self._prove(listener)

    def _take_in(self, said: Collection[str]) -> None:
        try:
            taken_down = {UUID(one.removesuffix(AT_ONCE)) for one in said if one.endswith(AT_ONCE)}
            changed = {UUID(one) for one in said if not one.endswith(AT_ONCE)}
        except ValueError:
            # A version to come may say more: what it is about could be anything.
            log.warning("feed_news.unknown", said=list(said))
            self._shelf.outdate_all()
            return
        self._renewal.outdate(taken_down, at_once=True)
        self._renewal.outdate(changed - taken_down)

    def _miss(self) -> None:
        self._proven_at = None

    def _prove(self, listener: Listener) -> None:
        now = time.monotonic()
        is_asked = now - self._shelf.asked_at < TRUSTED_S
        if not is_asked or (self._proven_at is not None and now - self._proven_at < _PROVE_EVERY_S):
            return
        was_deaf = self._proven_at is None
        if not listener.hears():
            self._miss()
            return
        if was_deaf:
            self._shelf.outdate_all()
        # It was asked at `now`, and whatever was said before that has been heard.
        self._proven_at = now
        self._shelf.trust_news(until=now + TRUSTED_S)
