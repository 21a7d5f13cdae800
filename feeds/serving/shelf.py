"""What a process keeps of documents, and whether each is still good: told by news, or by the record."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from uuid import UUID

from feeds.address import Address
from feeds.serving.document import Document

GOOD_FOR_S = 0.25
"""So long a document is good whatever happens: in a flood of articles it is made four times a second."""

WATCHED_S = 60.0
"""A feed that somebody has asked for in this time is watched: it is made anew before the next one asks."""


@dataclass(kw_only=True)
class _Kept:
    """A document with what is known of it.

    Attributes:
        checked_at: before it was compared with the record, or read from it; by the monotonic clock.
        asked_at: when a reader last asked for it.
        is_old: news of a change has come since.
    """

    document: Document
    checked_at: float
    asked_at: float
    is_old: bool


@dataclass(eq=False, kw_only=True)
class Check:
    """A look into the record that is under way: news that come meanwhile may be later than what it sees."""

    begun_at: float
    overtaken: bool = field(default=False, init=False)


class Shelf:
    """The documents that were asked for last, as far as they fit; safe among threads.

    A document is good for a while after each look into the record, and while news are heard until there is
    news of its feed.

    Attributes:
        asked_at: when a reader last asked for anything, by the monotonic clock.
    """

    def __init__(
        self,
        most_bytes: int,
        *,
        good_for_s: float = GOOD_FOR_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._paths: dict[UUID, set[str]] = {}
        self._checks: dict[UUID | None, set[Check]] = {}
        self._most_bytes = most_bytes
        self._good_for_s = good_for_s
        self._bytes = 0
        self._news_until = 0.0
        self._clock = clock
        self._lock = threading.Lock()
        self.asked_at = 0.0

    def good(self, path: str) -> Document | None:
        """Return the document at a path if it may be given to the reader who asks for it now."""
        return self._asked(path, whatever=False)

    def asked(self, path: str) -> Document | None:
        """Return the document at a path that a reader asks for now, good or not."""
        return self._asked(path, whatever=True)

    def _asked(self, path: str, *, whatever: bool) -> Document | None:
        self.asked_at = now = self._clock()
        with self._lock:
            kept = self._kept.get(path)
            if kept is None:
                return None
            self._kept.move_to_end(path)
            kept.asked_at = now
            return kept.document if whatever or self._is_good(kept, now) else None

    def peek(self, path: str) -> Document | None:
        """Return the document at a path if it is good; nobody asks for it."""
        with self._lock:
            kept = self._kept.get(path)
            return kept.document if kept and self._is_good(kept, self._clock()) else None

    def last(self, path: str) -> Document | None:
        """Return the document at a path, good or not."""
        with self._lock:
            kept = self._kept.get(path)
            return kept.document if kept else None

    @contextmanager
    def checking(self, label_id: UUID | None) -> Iterator[Check]:
        """Enter before the record is looked into; what is found there is kept with `put`.

        Args:
            label_id: of the feed; None: it is not known yet, so news of any feed may be of this one.
        """
        check = Check(begun_at=self._clock())
        with self._lock:
            self._checks.setdefault(label_id, set()).add(check)
        try:
            yield check
        finally:
            with self._lock:
                others = self._checks[label_id]
                others.discard(check)
                if not others:
                    del self._checks[label_id]

    def put(self, document: Document, check: Check) -> None:
        """Keep a document instead of the one before it; forget what nobody asked for the longest."""
        path = document.address.path
        with self._lock:
            before = self._remove(path)
            self._kept[path] = _Kept(
                document=document,
                checked_at=check.begun_at,
                asked_at=before.asked_at if before else check.begun_at,
                is_old=check.overtaken,
            )
            self._paths.setdefault(document.label_id, set()).add(path)
            self._bytes += document.size
            while self._bytes > self._most_bytes:
                self._remove(next(iter(self._kept)))

    def outdate(self, labels: Collection[UUID], *, at_once: bool = False) -> list[Address]:
        """Take note of news: these feeds have changed. Return those that are to be made anew.

        Args:
            at_once: whether what is kept of them is not good for another moment.
        """
        with self._lock:
            for label in (*labels, None):
                for check in self._checks.get(label, ()):
                    check.overtaken = True
                    check.begun_at = -inf if at_once else check.begun_at
            kept = [self._kept[path] for label in labels for path in self._paths.get(label, ())]
            for one in kept:
                one.is_old = True
                one.checked_at = -inf if at_once else one.checked_at
            since = self._clock() - WATCHED_S
            asked_for = (one.document.address for one in kept if one.asked_at > since)
            return [address for address in asked_for if address.is_renewed]

    def outdate_all(self) -> None:
        """Take note that news may have been missed."""
        with self._lock:
            for checks in self._checks.values():
                for check in checks:
                    check.overtaken = True
            for kept in self._kept.values():
                kept.is_old = True

    def trust_news(self, *, until: float) -> None:
        """Take note that no news were missed so far, and none will be until then, by our clock."""
        self._news_until = until

    def _is_good(self, kept: _Kept, now: float) -> bool:
        return now - kept.checked_at < self._good_for_s or (not kept.is_old and now < self._news_until)

    def _remove(self, path: str) -> _Kept | None:
        kept = self._kept.pop(path, None)
        if kept is None:
            return None
        self._bytes -= kept.document.size
        paths = self._paths[kept.document.label_id]
        paths.discard(path)
        if not paths:
            del self._paths[kept.document.label_id]
        return kept
