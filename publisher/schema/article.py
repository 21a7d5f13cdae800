"""Tables of articles: one row an article, a row a revision, its identities, its labels."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from publisher.schema.row import BigInt, Row


class ArticleRow(Row):
    """What stays the same over all revisions, and which of them is the newest and which is public.

    Attributes:
        status: how far the newest revision has come (`ArticleStatus`).
        sequence: of the newest revision, retraction or restoration.
        revision: sequence of the newest revision.
        public_revision: sequence of the revision that readers see; None: they see none.
        published: as the sender says, else when it was to be visible; never moves.
        updated: when the public content last really changed.
        first_visible_at: when a reader could first see it.
    """

    __tablename__ = "article"
    __table_args__ = (Index("article_status", "status", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    uri: Mapped[str] = mapped_column(unique=True)
    status: Mapped[str]
    sequence: Mapped[int]
    revision: Mapped[int]
    public_revision: Mapped[int | None]
    published: Mapped[datetime]
    updated: Mapped[datetime]
    received_at: Mapped[datetime]
    first_visible_at: Mapped[datetime | None]
    retracted_at: Mapped[datetime | None]
    retraction_reason: Mapped[str | None]


class RevisionRow(Row):
    """One version of the content; enrichment fills what the sender left out.

    Attributes:
        details: raw JSON of authors, categories, tags, places, images, source, related.
        digest: SHA-256 over what readers would see; equal content makes no new revision.
        derived: names of the columns that enrichment filled.
    """

    __tablename__ = "revision"

    article_id: Mapped[UUID] = mapped_column(ForeignKey("article.id", ondelete="CASCADE"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    url: Mapped[str | None]
    guid: Mapped[str | None]
    title: Mapped[str]
    summary: Mapped[str | None]
    language: Mapped[str | None]
    content_html: Mapped[str | None]
    content_text: Mapped[str | None]
    details: Mapped[dict[str, Any]]
    digest: Mapped[bytes]
    visible_from: Mapped[datetime | None]
    notify: Mapped[bool]
    received_at: Mapped[datetime]
    slug: Mapped[str | None]
    word_count: Mapped[int | None]
    reading_minutes: Mapped[int | None]
    derived: Mapped[list[str]]
    enriched_at: Mapped[datetime | None]


class ArticleKeyRow(Row):
    """An identity of an article: its guid, its url, or one derived from the page.

    Attributes:
        digest: SHA-256 of the value, since an index row holds no long address.
    """

    __tablename__ = "article_key"
    __table_args__ = (Index("article_key_article", "article_id"),)

    kind: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    value: Mapped[str]
    article_id: Mapped[UUID] = mapped_column(ForeignKey("article.id", ondelete="CASCADE"))


class LabelRow(Row):
    """Something that articles are found under; each label has a feed. `all` is one, too.

    Attributes:
        kind: `all`, `category`, `tag`, … (`LabelKind`).
        slug: folded, unique within the kind: the name in the feed's address.
        term: as people read it, by the first article that bore it.
    """

    __tablename__ = "label"
    __table_args__ = (UniqueConstraint("kind", "slug"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    slug: Mapped[str]
    term: Mapped[str]


class ArticleLabelRow(Row):
    """That a public article bears a label.

    Attributes:
        first_visible_at: copied from the article; of those that come together, the first comes first.
        position: its place in the label's feed, counted from the first article that ever was in it; given
            when the article's fragments are ready, in the order of commits, so that no place is taken below
            one that readers have seen. None until then.
    """

    __tablename__ = "article_label"
    __table_args__ = (
        Index(
            "article_label_position",
            "label_id",
            "position",
            unique=True,
            postgresql_where=text("position IS NOT NULL"),
        ),
    )

    article_id: Mapped[UUID] = mapped_column(ForeignKey("article.id", ondelete="CASCADE"), primary_key=True)
    label_id: Mapped[UUID] = mapped_column(ForeignKey("label.id"), primary_key=True)
    first_visible_at: Mapped[datetime]
    position: Mapped[BigInt | None]
