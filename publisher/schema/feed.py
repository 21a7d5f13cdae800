"""Tables of feeds: a fragment an article, a document a format, and what is still to be rendered."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from publisher.schema.row import BigInt, Row


class EntryRow(Row):
    """A public article as it stands in feeds: one fragment a format, made once a revision."""

    __tablename__ = "entry"

    article_id: Mapped[UUID] = mapped_column(ForeignKey("article.id", ondelete="CASCADE"), primary_key=True)
    sequence: Mapped[int]
    updated: Mapped[datetime]
    atom: Mapped[str]
    rss: Mapped[str]
    json: Mapped[str]


class TombstoneRow(Row):
    """That an article which the feed once carried was retracted (RFC 6721)."""

    __tablename__ = "tombstone"
    __table_args__ = (
        Index("tombstone_newest", "label_id", "retracted_at"),
        Index("tombstone_retracted", "retracted_at"),
    )

    # Articles first: restorations and purges ask for theirs, and feeds have `tombstone_newest`.
    article_id: Mapped[UUID] = mapped_column(ForeignKey("article.id", ondelete="CASCADE"), primary_key=True)
    label_id: Mapped[UUID] = mapped_column(ForeignKey("label.id"), primary_key=True)
    uri: Mapped[str]
    retracted_at: Mapped[datetime]


class FeedRow(Row):
    """How fresh a label's feed is.

    Attributes:
        generation: grows with every change of what the feed should show.
        required_generation: documents older than this must not be served: they hold a retracted article.
        owed_since: when the rebuild that is owed was asked for; further changes ride along. None: none is.
        rendered_at: when the last rebuild ended.
    """

    __tablename__ = "feed"

    label_id: Mapped[UUID] = mapped_column(ForeignKey("label.id"), primary_key=True)
    generation: Mapped[BigInt] = mapped_column(server_default=text("0"))
    required_generation: Mapped[BigInt] = mapped_column(server_default=text("0"))
    owed_since: Mapped[datetime | None]
    rendered_at: Mapped[datetime | None]


class FeedDocumentRow(Row):
    """A feed in one format, ready to be served."""

    __tablename__ = "feed_document"

    label_id: Mapped[UUID] = mapped_column(ForeignKey("label.id"), primary_key=True)
    format: Mapped[str] = mapped_column(primary_key=True)
    generation: Mapped[BigInt]
    etag: Mapped[str]
    body: Mapped[bytes]
    body_gzip: Mapped[bytes]
