"""Which feeds there are to subscribe to, read from the record: labels that some public article bears."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from sqlalchemy import Select, func, select, true
from sqlalchemy.orm import Session

from feeds.alphabet import alphabetical
from feeds.catalog import SLUG, SLUG_LENGTH, stem_of
from publisher.errors import NotFound
from publisher.ids import made_at
from publisher.labels import LabelKind
from publisher.schema import ArticleLabelRow, LabelRow

KINDS = tuple(kind for kind in LabelKind if kind is not LabelKind.ALL)
MOST_COUNTED = 100
"""Articles of a feed are counted so far; who has more has many."""

MOST_LISTED = 10_000
"""Feeds in one list of all of them: no reader takes more at once, and anybody may ask for it."""

_OF_EACH_KIND = 100
_ON_A_PAGE = 500


@dataclass(frozen=True, kw_only=True)
class ListedFeed:
    """A label's feed.

    Attributes:
        articles: that bear the label, counted up to MOST_COUNTED.
    """

    id: UUID
    kind: LabelKind
    slug: str
    term: str
    articles: int

    @property
    def path(self) -> str:
        """The path of the feed, without the ending of a format."""
        return stem_of(self.kind, self.slug)


@dataclass(frozen=True, kw_only=True)
class FeedGroup:
    """Feeds of one kind, in alphabetical order: all of them, or as many as fit on a page.

    Attributes:
        goes_on_at: slug of the first label that did not fit; None: no more follow.
    """

    kind: LabelKind
    feeds: Sequence[ListedFeed]
    goes_on_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class EveryFeed:
    """All feeds besides that of everything.

    Attributes:
        changed_at: when the newest of them came to be.
    """

    groups: Sequence[FeedGroup]
    changed_at: datetime


@dataclass(frozen=True, kw_only=True)
class DirectoryPart:
    """What part of the directory somebody asks for: the beginning of every kind, or more of one.

    Attributes:
        kind: None: every kind.
        begins_at: slug, or the beginning of one; empty: the first of all.
    """

    kind: LabelKind | None = None
    begins_at: str = ""

    @classmethod
    def parse(cls, kind: str | None, begins_at: str | None) -> Self:
        """Return the part that these parameters name.

        Raises:
            NotFound: when there can be none.
        """
        if not kind and not begins_at:
            return cls()
        known = kind in list(KINDS)
        slug = begins_at or ""
        if not known or len(slug) > SLUG_LENGTH or (slug and not re.fullmatch(SLUG, slug)):
            raise NotFound("the directory of feeds: has no such part")
        return cls(kind=LabelKind(str(kind)), begins_at=slug)


def read_directory(session: Session, part: DirectoryPart) -> list[FeedGroup]:
    """Return a part of the directory; kinds without feeds are left out of the whole, and never of a part."""
    if part.kind is not None:
        return [_read_group(session, part.kind, part.begins_at, looked_at=_ON_A_PAGE)]
    groups = [_read_group(session, kind, looked_at=_OF_EACH_KIND) for kind in KINDS]
    return [group for group in groups if group.feeds or group.goes_on_at]


def read_every_feed(session: Session, *, most: int = MOST_LISTED) -> EveryFeed:
    """Return all feeds, a group a kind; of very many, the first."""
    groups = []
    for kind in KINDS:
        group = _read_group(session, kind, looked_at=most, most_counted=1)
        most -= len(group.feeds)
        if group.feeds:
            groups.append(group)
    everything = session.scalars(select(LabelRow.id).where(LabelRow.kind == LabelKind.ALL)).one()
    labels = [everything, *(feed.id for group in groups for feed in group.feeds)]
    return EveryFeed(groups=groups, changed_at=max(made_at(label) for label in labels))


def _read_group(
    session: Session,
    kind: LabelKind,
    begins_at: str = "",
    *,
    looked_at: int,
    most_counted: int = MOST_COUNTED,
) -> FeedGroup:
    """Return what is alive of the labels that come first, in the order of slugs.

    Labels outlive their articles. So it is labels that are bounded, and a page may hold fewer feeds.
    """
    rows = session.execute(_counted(kind, begins_at, labels=looked_at + 1, articles=most_counted)).all()
    shown, following = rows[:looked_at], rows[looked_at:]
    feeds = [ListedFeed(kind=kind, **row._asdict()) for row in shown if row.articles]
    return FeedGroup(
        kind=kind,
        feeds=sorted(feeds, key=lambda feed: (alphabetical(feed.term), feed.slug)),
        goes_on_at=following[0].slug if following else None,
    )


def _counted(
    kind: LabelKind, begins_at: str, *, labels: int, articles: int
) -> Select[tuple[UUID, str, str, int]]:
    """Return the query of so many labels from one on, each with its articles, counted up to a number."""
    # By the unique index of (kind, slug), from where the page begins.
    named = (
        select(LabelRow.id, LabelRow.slug, LabelRow.term)
        .where(LabelRow.kind == kind, LabelRow.slug >= begins_at)
        .order_by(LabelRow.slug)
        .limit(labels)
        .cte("named")
    )
    # By the index article_label_position, a few entries a label. LATERAL with LIMIT is what keeps PostgreSQL
    # from counting every article first.
    borne = (
        select(ArticleLabelRow.position)
        .where(ArticleLabelRow.label_id == named.c.id, ArticleLabelRow.position.is_not(None))
        .limit(articles)
        .lateral("borne")
    )
    return (
        select(named.c.id, named.c.slug, named.c.term, func.count(borne.c.position).label("articles"))
        .join(borne, true(), isouter=True)
        .group_by(named.c.id, named.c.slug, named.c.term)
        .order_by(named.c.slug)
    )
