"""The document that readers may be given now: the one that is kept if it is good, else a new one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from feeds.catalog import FeedAddress
from feeds.content import Standing, document_of, find_standing, read_content
from feeds.feed import FeedFormat
from feeds.serving.document import Document
from feeds.serving.shelf import Shelf
from feeds.style import FeedStyle
from publisher.database import Sessions

CACHING = "public, max-age=0, must-revalidate"
"""Caches may keep everything and have to ask each time, so that a takedown holds for them, too, at once."""


class FeedStore:
    """Makes documents, each once, however many ask for it; safe among threads."""

    def __init__(self, sessions: Sessions, style: FeedStyle, shelf: Shelf) -> None:
        self._sessions = sessions
        self._style = style
        self._shelf = shelf
        self._turns = _Turns()

    def document(self, address: FeedAddress) -> Document | None:
        """Return the document at an address, or None if there is no such feed."""
        return self._shelf.good(address.path) or self.renewed(address)

    def renewed(self, address: FeedAddress) -> Document | None:
        """Return the same, without taking note that a reader asks for it."""
        # One at a time: who waits finds what the first has made, and keeps no connection meanwhile.
        with self._turns.of(address.path):
            return self._shelf.peek(address.path) or self._look(address)

    def _look(self, address: FeedAddress) -> Document | None:
        last = self._shelf.last(address.path)
        if last is None:
            with self._sessions.begin() as session:
                standing = find_standing(session, address)
            if standing is None:
                return None
            label_id = standing.label_id
        else:
            label_id = last.label_id
        with self._shelf.checking(label_id) as check:
            document = self._current(address, last)
            if document is not None:
                self._shelf.put(document, check)
        return document

    def _current(self, address: FeedAddress, last: Document | None) -> Document | None:
        with self._sessions.begin() as session:
            standing = find_standing(session, address)
            if standing is None:
                return None
            if last is not None and last.generation == standing.generation:
                return last
            content = read_content(session, standing, address, style=self._style)
        return self._made(standing, address, document_of(content, self._style), last)

    def _made(self, standing: Standing, address: FeedAddress, body: bytes, last: Document | None) -> Document:
        if last is not None and last.body == body:
            # What is packed of it is good, too.
            return replace(last, generation=standing.generation, changed_at=standing.changed_at)
        return Document(
            address=address,
            label_id=standing.label_id,
            generation=standing.generation,
            changed_at=standing.changed_at,
            body=body,
            headers=self._headers(address),
        )

    def _headers(self, address: FeedAddress) -> dict[str, str]:
        media_type = FeedFormat(address.format).media_type
        return {
            "link": f'<{self._style.base_url}{address.path}>; rel="self"; type="{media_type}"',
            "vary": "Accept-Encoding",
            "cache-control": CACHING,
            "access-control-allow-origin": "*",
            "x-content-type-options": "nosniff",
        }


class _Turns:
    """One at a time for each key."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[threading.Lock, int]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def of(self, key: str) -> Iterator[None]:
        with self._lock:
            turn, waiting = self._waiting.get(key, (threading.Lock(), 0))
            self._waiting[key] = (turn, waiting + 1)
        try:
            with turn:
                yield
        finally:
            with self._lock:
                turn, waiting = self._waiting[key]
                if waiting > 1:
                    self._waiting[key] = (turn, waiting - 1)
                else:
                    del self._waiting[key]
