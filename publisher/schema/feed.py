"""Tables of feeds: a fragment an article and format, what was taken out, and how far each feed has come."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import TSVECTOR
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


class ArticleSearchRow(Row):
    """What a public article is found by; it goes with the entry, whoever takes that away.

    Attributes:
        sequence: of the revision; another one than the entry's: an older version of the code made the entry.
        document: words without and with their marks, and what else narrows a search (feeds/search/index.py).
    """

    __tablename__ = "article_search"
    __table_args__ = (Index("article_search_document", "document", postgresql_using="gin"),)

    article_id: Mapped[UUID] = mapped_column(
        ForeignKey("entry.article_id", ondelete="CASCADE"), primary_key=True
    )
    sequence: Mapped[int]
    document: Mapped[str] = mapped_column(TSVECTOR)


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
    """How far a label's feed has come.

    Attributes:
        generation: grows with every change of what the feed shows.
        changed_at: when it last did, by the beginning of the transaction that changed it.
        last_position: of the article that came into it last (`ArticleLabelRow.position`).
    """

    __tablename__ = "feed"

    label_id: Mapped[UUID] = mapped_column(ForeignKey("label.id"), primary_key=True)
    generation: Mapped[BigInt] = mapped_column(server_default=text("0"))
    changed_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    last_position: Mapped[BigInt] = mapped_column(server_default=text("0"))


class PrivateFeedRow(Row):
    """A feed that one reader subscribes to, under a token that is stored nowhere.

    Attributes:
        digest: SHA-256 of the token. A fast hash is enough: the token is 256 random bits, no password.
        owner: the API key that made it; None for a command.
        rotated_at: when the token was last replaced.
    """

    __tablename__ = "private_feed"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    label_id: Mapped[UUID] = mapped_column(ForeignKey("label.id"))
    digest: Mapped[bytes] = mapped_column(unique=True)
    owner: Mapped[UUID | None]
    created_at: Mapped[datetime]
    rotated_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
