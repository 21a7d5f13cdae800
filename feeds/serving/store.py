"""The document that readers may be given now: the one that is kept if it is good, else a new one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace

from sqlalchemy.orm import Session

from feeds.address import Address, link_of
from feeds.content import FeedContent, document_of, read_content
from feeds.documents import Assembled
from feeds.search.address import SearchAddress
from feeds.search.finding import read_found
from feeds.serving.delta import History
from feeds.serving.document import Document
from feeds.serving.headers import CACHING, FOR_EVERYBODY, PRIVATE_CACHING, UNSNIFFED
from feeds.serving.shelf import Shelf
from feeds.standing import Standing, find_standing
from feeds.style import FeedStyle
from publisher.database import Sessions

# A search may keep its connection for some seconds: most of them are for those who publish, and for feeds.
_CONNECTIONS_FOR_SEARCHES = 6


class FeedStore:
    """Makes documents, each once, however many ask for it; safe among threads."""

    def __init__(self, sessions: Sessions, style: FeedStyle, shelf: Shelf) -> None:
        self._sessions = sessions
        self._style = style
        self._shelf = shelf
        self._turns = _Turns()
        self._searching = threading.Semaphore(_CONNECTIONS_FOR_SEARCHES)

    def document(self, address: Address) -> Document | None:
        """Return the document at an address, or None if there is no such feed.

        Whether a token is good is asked of the record each time.
        """
        good = None if address.is_private else self._shelf.good(address.path)
        return good or self.renewed(address)

    def renewed(self, address: Address) -> Document | None:
        """Return the same, without taking note that a reader asks for it."""
        # One at a time: who waits finds what the first has made, and keeps no connection meanwhile.
        with self._turns.of(address.path):
            good = None if address.is_private else self._shelf.peek(address.path)
            if good is not None:
                return good
            with self._searching if isinstance(address, SearchAddress) else nullcontext():
                return self._look(address, self._shelf.last(address.path))

    def _look(self, address: Address, last: Document | None) -> Document | None:
        with self._shelf.checking(last.label_id if last else None) as check:
            document = self._current(address, last)
            if document is not None:
                self._shelf.put(document, check)
        return document

    def _current(self, address: Address, last: Document | None) -> Document | None:
        with self._sessions.begin() as session:
            standing = find_standing(session, address)
            if standing is None:
                return None
            if last is not None and last.generation == standing.generation:
                return last
            content = self._read(session, standing, address)
        return self._made(standing, address, document_of(content, self._style), last)

    def _read(self, session: Session, standing: Standing, address: Address) -> FeedContent:
        if isinstance(address, SearchAddress):
            return read_found(session, standing, address, style=self._style)
        return read_content(session, standing, address, style=self._style)

    def _made(
        self, standing: Standing, address: Address, assembled: Assembled, last: Document | None
    ) -> Document:
        if last is not None and last.body == assembled.body:
            # What is packed of it is good, too.
            return replace(last, generation=standing.generation, changed_at=standing.changed_at)
        return Document(
            address=address,
            label_id=standing.label_id,
            generation=standing.generation,
            changed_at=standing.changed_at,
            body=assembled.body,
            headers=self._headers(address),
            history=_history(address, assembled, last),
        )

    def _headers(self, address: Address) -> dict[str, str]:
        headers = {
            "Link": link_of(address, self._style),
            "Vary": "Accept-Encoding",
            **UNSNIFFED,
        }
        if address.is_private:
            return {**headers, "Cache-Control": PRIVATE_CACHING, "X-Robots-Tag": "noindex"}
        return {**headers, "Cache-Control": CACHING, **FOR_EVERYBODY}


def _history(address: Address, assembled: Assembled, last: Document | None) -> History | None:
    # Nobody comes back to a page of an archive, and a search does not tell who is gone.
    if address.places is not None or isinstance(address, SearchAddress):
        return None
    if last is None or last.history is None:
        return History.begun(assembled)
    return last.history.followed_by(assembled, tag=last.etag)


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
