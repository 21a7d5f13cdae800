"""The document of a feed that readers may be given now: the stored one, else one rendered on the spot."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, func, select
from sqlalchemy.orm import Session

from feeds.content import document_of, read_content
from feeds.feed import FeedFormat
from feeds.refresh import REBUILD_EVERY
from feeds.served import FeedAddress, RecentDocuments, ServedDocument, Version
from feeds.style import FeedStyle
from publisher.database import Sessions
from publisher.schema import FeedDocumentRow, FeedRow, LabelRow

_Found = Row[*tuple[Any, ...]]

RECENT_BYTES = 64_000_000
"""What a process keeps of documents in memory at most."""


class FeedStore:
    """Finds documents. Bodies stay in memory; the database is asked each time which version is good."""

    def __init__(self, sessions: Sessions, style: FeedStyle, *, recent_bytes: int = RECENT_BYTES) -> None:
        self._sessions = sessions
        self._style = style
        self._recent = RecentDocuments(recent_bytes)
        self._rendering = threading.Lock()

    def version(self, address: FeedAddress) -> Version | None:
        """Return what is current at an address, or None if there is no such feed.

        One indexed look-up; a feed whose stored document is missing or forbidden is rendered.
        """
        with self._sessions.begin() as session:
            found = _current(session, address)
        if found is None:
            return None
        if found.etag is None:
            return self._rendered(found.label_id, address.format, lambda one: _is_good(one, found)).version
        return _version(found, address.format)

    def document(self, version: Version) -> ServedDocument:
        """Return the document of a version, or of a newer one."""
        recent = self._recent.get(version.label_id, version.format)
        if recent and _will_do(recent.version, version):
            return recent
        with self._sessions.begin() as session:
            found = _stored(session, version)
        if found is None:
            return self._rendered(version.label_id, version.format, lambda one: _will_do(one, version))
        stored = _version(found, version.format)
        document = ServedDocument(version=stored, body=found.body, body_gzip=found.body_gzip)
        self._recent.put(document)
        return document

    def _rendered(
        self, label_id: UUID, feed_format: FeedFormat, is_good: Callable[[Version], bool]
    ) -> ServedDocument:
        # One at a time: who waits finds what the first has rendered, and keeps no connection meanwhile.
        with self._rendering:
            recent = self._recent.get(label_id, feed_format)
            if recent and is_good(recent.version):
                return recent
            document = self._render(label_id, feed_format)
            self._recent.put(document)
            return document

    def _render(self, label_id: UUID, feed_format: FeedFormat) -> ServedDocument:
        with self._sessions.begin() as session:
            content = read_content(session, label_id, style=self._style)
            changed_at = session.scalar(select(func.now()))
        assert content is not None, "labels are never deleted"
        assert changed_at is not None
        document = document_of(content, feed_format)
        version = Version(
            label_id=label_id,
            format=feed_format,
            generation=content.generation,
            etag=document.etag,
            changed_at=changed_at,
        )
        return ServedDocument(version=version, body=document.body, body_gzip=document.body_gzip)


def _is_good(version: Version, found: _Found) -> bool:
    """Return whether a document rendered before will do: nothing newer, or no older than a rebuild may be."""
    if version.generation < found.required_generation:
        return False
    age = found.at - version.changed_at
    return version.generation >= found.newest_generation or bool(age < REBUILD_EVERY)


def _will_do(version: Version, wanted: Version) -> bool:
    """Return whether a document is the wanted one, or newer."""
    return version == wanted or version.generation > wanted.generation


def _version(found: _Found, feed_format: FeedFormat) -> Version:
    return Version(
        label_id=found.label_id,
        format=feed_format,
        generation=found.generation,
        etag=found.etag,
        # Not the newest date in it: an article may come in with an older one.
        changed_at=found.rendered_at,
    )


# A document older than what the last takedown requires still holds what was taken down.
_MAY_BE_SERVED = FeedDocumentRow.generation >= FeedRow.required_generation


def _current(session: Session, address: FeedAddress) -> _Found | None:
    return session.execute(
        select(
            FeedRow.label_id,
            FeedRow.rendered_at,
            FeedRow.generation.label("newest_generation"),
            FeedRow.required_generation,
            FeedDocumentRow.generation,
            FeedDocumentRow.etag,
            func.now().label("at"),
        )
        .join(LabelRow, LabelRow.id == FeedRow.label_id)
        .outerjoin(
            FeedDocumentRow,
            and_(
                FeedDocumentRow.label_id == FeedRow.label_id,
                FeedDocumentRow.format == address.format,
                _MAY_BE_SERVED,
            ),
        )
        .where(LabelRow.kind == address.kind, LabelRow.slug == address.slug)
    ).one_or_none()


def _stored(session: Session, version: Version) -> _Found | None:
    return session.execute(
        select(
            FeedRow.label_id,
            FeedRow.rendered_at,
            FeedDocumentRow.generation,
            FeedDocumentRow.etag,
            FeedDocumentRow.body,
            FeedDocumentRow.body_gzip,
        )
        .join(FeedRow, FeedRow.label_id == FeedDocumentRow.label_id)
        .where(
            FeedDocumentRow.label_id == version.label_id,
            FeedDocumentRow.format == version.format,
            _MAY_BE_SERVED,
        )
    ).one_or_none()
