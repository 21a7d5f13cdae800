"""What public articles are found under: all of them, and each by category, tag, author, source, place."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from publisher.article import slug_of
from publisher.details import Details
from publisher.feed_state import mark_changed
from publisher.ids import new_id
from publisher.schema import ArticleLabelRow, FeedRow, LabelRow, TombstoneRow
from publisher.schema.row import table


class LabelKind(StrEnum):
    """The kinds of label; each has feeds under a path of its own."""

    ALL = "all"
    CATEGORY = "category"
    TAG = "tag"
    AUTHOR = "author"
    SOURCE = "source"
    PLACE = "place"
    LAW = "law"
    PERSON = "person"
    TOPIC = "topic"


@dataclass(frozen=True, order=True)
class Label:
    """Something that articles are found under.

    Attributes:
        slug: folded; unique within the kind.
        term: as people read it; not part of the identity.
    """

    kind: LabelKind
    slug: str
    term: str


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """The labels that an article bears from now on."""

    article_id: UUID
    labels: frozenset[Label]
    first_visible_at: datetime


def labels_of(details: Details) -> frozenset[Label]:
    """Return the labels of an article; two spellings of one name are one label."""
    names = [
        *((LabelKind.CATEGORY, name) for name in details.categories),
        *((LabelKind.TAG, name) for name in details.tags),
        *((LabelKind.AUTHOR, person.name) for person in details.authors),
        *((LabelKind.SOURCE, source.name) for source in (details.source,) if source),
        *((LabelKind.PLACE, name) for name in details.places),
    ]
    # Of two spellings the first is what people read.
    labels = {(kind, slug_of(name)): name for kind, name in reversed(names)}
    named = (Label(kind, slug, name) for (kind, slug), name in labels.items())
    return frozenset([Label(LabelKind.ALL, "all", "all"), *named])


def put_labels(session: Session, labelled: Collection[Labelled]) -> dict[UUID, list[UUID]]:
    """Store the labels of articles; return, by article, every label that is concerned, new and old.

    Needs the articles' locks. The tombstone of an article that is back goes, from the labels that it is back
    under. Feeds that an article leaves show it no more with the commit: whoever takes it down later knows of
    its own labels only.
    """
    known = _label_ids(session, {label for one in labelled for label in one.labels})
    new = {(one.article_id, known[label.kind, label.slug]) for one in labelled for label in one.labels}
    ids = [one.article_id for one in labelled]
    old = {
        (row.article_id, row.label_id)
        for row in session.execute(
            select(ArticleLabelRow.article_id, ArticleLabelRow.label_id).where(
                ArticleLabelRow.article_id.in_(ids)
            )
        )
    }
    if gone := sorted(old - new):
        session.execute(
            delete(ArticleLabelRow).where(
                tuple_(ArticleLabelRow.article_id, ArticleLabelRow.label_id).in_(gone)
            )
        )
        mark_changed(session, {label for _, label in gone}, at_once=True)
    if added := sorted(new - old):
        visible = {one.article_id: one.first_visible_at for one in labelled}
        rows = [{"article_id": a, "label_id": b, "first_visible_at": visible[a]} for a, b in added]
        session.execute(insert(ArticleLabelRow).on_conflict_do_nothing(), rows)
        back = tuple_(TombstoneRow.article_id, TombstoneRow.label_id).in_(added)
        session.execute(delete(table(TombstoneRow)).where(back))
    concerned = sorted(new | old)
    return {identifier: [b for a, b in concerned if a == identifier] for identifier in ids}


def _label_ids(session: Session, labels: Collection[Label]) -> Mapping[tuple[str, str], UUID]:
    wanted = sorted({(label.kind.value, label.slug): label for label in sorted(labels)}.items())
    known = _find(session, [name for name, _ in wanted])
    if missing := [label for name, label in wanted if name not in known]:
        rows = [
            {"id": new_id(), "kind": label.kind, "slug": label.slug, "term": label.term} for label in missing
        ]
        session.execute(insert(LabelRow).on_conflict_do_nothing(), rows)
        known = _find(session, [name for name, _ in wanted])
        feeds = [{"label_id": known[label.kind, label.slug]} for label in missing]
        session.execute(insert(FeedRow).on_conflict_do_nothing(), feeds)
    return known


def _find(session: Session, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], UUID]:
    found = session.execute(
        select(LabelRow.id, LabelRow.kind, LabelRow.slug).where(
            tuple_(LabelRow.kind, LabelRow.slug).in_(names)
        )
    )
    return {(row.kind, row.slug): row.id for row in found}
