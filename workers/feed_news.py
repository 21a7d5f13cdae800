"""Hears which feeds have changed, for the documents that a web process keeps in memory."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from feeds.serving.renewal import Renewal
from feeds.serving.shelf import Shelf
from feeds.serving.store import FeedStore
from publisher.database import Channel
from publisher.feed_state import labels_told
from workers.listen import Listener

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
        self._proven_at = 0.0
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
                labels = {label for payload in said for label in labels_told(payload)}
                if labels:
                    self._renewal.outdate(labels)
                self._prove(listener)

    def _miss(self) -> None:
        self._proven_at = 0.0

    def _prove(self, listener: Listener) -> None:
        now = time.monotonic()
        is_asked = now - self._shelf.asked_at < TRUSTED_S
        if not is_asked or now - self._proven_at < _PROVE_EVERY_S:
            return
        was_deaf = self._proven_at == 0.0
        if not listener.hears():
            self._miss()
            return
        if was_deaf:
            self._shelf.outdate_all()
        # It was asked at `now`, and whatever was said before that has been heard.
        self._proven_at = now
        self._shelf.trust_news(until=now + TRUSTED_S)
