"""What is left when all is run out, in words that two runs of the same submissions have in common.

Ids and instants differ from run to run, and so does what nobody was told in time: a revision that was
overtaken is published in one run and superseded in the other. What readers and subscribers end with must not
differ.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from feeds.catalog import FeedAddress
from feeds.content import document_of, read_content
from feeds.feed import FeedFormat
from feeds.standing import find_standing
from feeds.style import FeedStyle
from publisher.events import EventType
from publisher.labels import LabelKind
from publisher.schema import (
    ArticleLabelRow,
    ArticleRow,
    DeliveryRow,
    EndpointRow,
    EntryRow,
    EventRow,
    EventTaskRow,
    FeedRow,
    LabelRow,
    MessageRow,
    RevisionRow,
    StepRow,
    TombstoneRow,
)


def end_state(session: Session, style: FeedStyle) -> dict[str, Any]:
    """Return everything that has to be the same, by what it is."""
    return {
        "articles": _articles(session),
        "revisions": _revisions(session),
        "labels": _labels(session),
        "entries": _entries(session),
        "feeds": _feeds(session, style),
        "told": _told(session),
    }


def flaws(session: Session) -> dict[str, Any]:
    """Return what must not be there in any run, by what it is; nothing when all is well."""
    found = {
        "owed": session.scalars(select(EventTaskRow.task)).all(),
        "done twice": _repeated(session, StepRow.event_id, StepRow.task),
        "told twice": _repeated(session, DeliveryRow.endpoint_id, DeliveryRow.message_id),
        "published twice": _published_twice(session),
        "not scrubbed": _not_scrubbed(session),
        "deleted and there": _deleted_and_there(session),
        "out of place": _out_of_place(session),
    }
    return {name: one for name, one in found.items() if one}


def _articles(session: Session) -> Mapping[str, Any]:
    rows = session.execute(
        select(ArticleRow, RevisionRow.url)
        .join(RevisionRow, RevisionRow.article_id == ArticleRow.id)
        .where(RevisionRow.sequence == ArticleRow.revision)
    )
    return {
        url: (
            article.status,
            article.sequence,
            article.revision,
            article.public_revision,
            article.retraction_reason,
        )
        for article, url in rows
    }


def _revisions(session: Session) -> Mapping[Any, Any]:
    """Return what was submitted of all, and what was found out about those that readers see."""
    rows = session.execute(
        select(RevisionRow, ArticleRow.public_revision).join(
            ArticleRow, ArticleRow.id == RevisionRow.article_id
        )
    )
    return {
        (one.url, one.sequence): (
            one.title,
            one.details["categories"],
            (one.summary, one.language, one.slug, one.word_count, one.content_html)
            if one.sequence == public
            else None,
        )
        for one, public in rows
    }


def _labels(session: Session) -> list[tuple[str, str]]:
    rows = session.execute(
        select(ArticleRow.uri, RevisionRow.url, LabelRow.slug)
        .join(ArticleLabelRow, ArticleLabelRow.article_id == ArticleRow.id)
        .join(LabelRow, LabelRow.id == ArticleLabelRow.label_id)
        .join(RevisionRow, RevisionRow.article_id == ArticleRow.id)
        .where(RevisionRow.sequence == ArticleRow.public_revision)
    )
    return sorted((row.url, row.slug) for row in rows)


def _entries(session: Session) -> Any:
    return _timeless(json.loads(one) for one in session.scalars(select(EntryRow.json)))


def _feeds(session: Session, style: FeedStyle) -> Mapping[str, Any]:
    """Return what feeds hold; one that is empty may as well not be there."""
    labels = session.execute(select(LabelRow.kind, LabelRow.slug)).all()
    items = {(row.kind, row.slug): _items(session, row.kind, row.slug, style) for row in labels}
    return {name: _timeless(found) for name, found in items.items() if found}


def _items(session: Session, kind: str, slug: str, style: FeedStyle) -> Any:
    address = FeedAddress(kind=LabelKind(kind), slug=slug, format=FeedFormat.JSON)
    standing = find_standing(session, address)
    assert standing is not None
    content = read_content(session, standing, address, style=style)
    return json.loads(document_of(content, style).body)["items"]


def _timeless(items: Iterable[Mapping[str, Any]]) -> Any:
    differing = ("id", "date_published", "date_modified")
    told = [{name: value for name, value in one.items() if name not in differing} for one in items]
    return sorted(told, key=lambda one: one["url"])


def _told(session: Session) -> Mapping[Any, int]:
    """Return the newest sequence that each endpoint got of an article that readers see.

    Left out are endpoints that ask for other articles than this is by now, and those that ask for some events
    only: what was overtaken may have been the one that they ask for.
    """
    newest = func.max(DeliveryRow.sequence).label("newest")
    rows = session.execute(
        select(EndpointRow.url, EndpointRow.filter, RevisionRow, newest)
        .join(DeliveryRow, DeliveryRow.endpoint_id == EndpointRow.id)
        .join(ArticleRow, ArticleRow.id == DeliveryRow.article_id)
        .join(RevisionRow, RevisionRow.article_id == ArticleRow.id)
        .where(RevisionRow.sequence == ArticleRow.public_revision, DeliveryRow.state == "succeeded")
        .group_by(EndpointRow.url, EndpointRow.filter, RevisionRow)
    )
    return {
        (row.url, row.RevisionRow.url): row.newest
        for row in rows
        if row.filter["event_types"] == ["article.*"] and _asks(row.filter["categories"], row.RevisionRow)
    }


def _asks(categories: Collection[str] | None, revision: RevisionRow) -> bool:
    return categories is None or not set(categories).isdisjoint(revision.details["categories"])


def _repeated(session: Session, *columns: Any) -> Any:
    return session.execute(select(*columns).group_by(*columns).having(func.count() > 1)).all()


def _published_twice(session: Session) -> Any:
    sequence = EventRow.data["sequence"].astext
    public = EventRow.type.in_([EventType.ARTICLE_PUBLISHED, EventType.ARTICLE_CORRECTED])
    wanted = select(EventRow.subject, sequence).where(public).group_by(EventRow.subject, sequence)
    return session.execute(wanted.having(func.count() > 1)).all()


def _not_scrubbed(session: Session) -> Any:
    """Return the messages that still say what a later retraction took back; a retraction says nothing."""
    retraction = (
        select(func.max(EventRow.data["sequence"].as_integer()))
        .where(EventRow.subject == MessageRow.article_id, EventRow.type == EventType.ARTICLE_RETRACTED)
        .scalar_subquery()
    )
    return session.scalars(
        select(MessageRow.type).where(
            MessageRow.body.is_not(None),
            MessageRow.type != EventType.ARTICLE_RETRACTED,
            MessageRow.sequence < retraction,
        )
    ).all()


def _deleted_and_there(session: Session) -> Any:
    both = select(TombstoneRow.uri).join(
        ArticleLabelRow,
        and_(
            ArticleLabelRow.article_id == TombstoneRow.article_id,
            ArticleLabelRow.label_id == TombstoneRow.label_id,
        ),
    )
    return session.scalars(both).all()


def _out_of_place(session: Session) -> Any:
    """Return the feeds in which an article has no place, or one that the feed has not counted."""
    placed = func.count(ArticleLabelRow.position)
    highest = func.coalesce(func.max(ArticleLabelRow.position), 0)
    return session.execute(
        select(LabelRow.kind, LabelRow.slug)
        .join(ArticleLabelRow, ArticleLabelRow.label_id == LabelRow.id)
        .join(FeedRow, FeedRow.label_id == LabelRow.id)
        .group_by(LabelRow.id, FeedRow.last_position)
        .having((placed < func.count()) | (highest > FeedRow.last_position))
    ).all()
