"""Stage 4a: render an article's fragments and words once, give it its places, mark the feeds with it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from feeds.entries import Entry, render_entry
from feeds.search.index import search_document
from feeds.style import FeedStyle
from publisher.archive import Archive
from publisher.article import PublicArticle
from publisher.feed_state import mark_changed, place
from publisher.outbox.obligation import Done, Fate, Obligation
from publisher.schema import ArticleLabelRow, ArticleRow, ArticleSearchRow, EntryRow, Row


@dataclass(frozen=True, kw_only=True)
class Showing:
    """An article that readers may see.

    Attributes:
        first_visible_at: since when; nothing in a feed is dated later.
    """

    article: PublicArticle
    first_visible_at: datetime


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """An article's fragments, or None for one that readers may not see any more.

    Attributes:
        found_by: the literal of a tsvector.
    """

    sequence: int
    entry: Entry | None
    found_by: str = ""


def load_articles(
    session: Session, obligations: Collection[Obligation], *, archive: Archive
) -> dict[Obligation, Showing | None]:
    """Return what to render; None where the article is not public by now."""
    ids = {one.subject for one in obligations}
    articles = archive.public(session, ids)
    visible = dict(
        session.execute(
            select(ArticleRow.id, ArticleRow.first_visible_at).where(ArticleRow.id.in_(ids))
        ).all()
    )
    return {
        one: Showing(article=articles[one.subject], first_visible_at=since)
        if one.subject in articles and (since := visible.get(one.subject)) is not None
        else None
        for one in obligations
    }


def render(showing: Showing | None, *, style: FeedStyle) -> Rendered:
    """Return the fragments of one article, and what it is found by."""
    if showing is None:
        return Rendered(sequence=0, entry=None)
    entry = render_entry(
        showing.article,
        first_visible_at=showing.first_visible_at,
        base_url=style.base_url,
        feed_author=style.author,
    )
    return Rendered(sequence=showing.article.sequence, entry=entry, found_by=search_document(showing.article))


def store_entries(session: Session, results: Mapping[Obligation, Rendered]) -> dict[Obligation, Fate]:
    """Store fragments and words of what is still public as it was rendered, and mark the feeds concerned."""
    public = dict(
        session.execute(
            select(ArticleRow.id, ArticleRow.public_revision)
            .where(ArticleRow.id.in_({one.subject for one in results}))
            .order_by(ArticleRow.id)
            # The weakest lock that waits for whoever changes the article; fan-outs of it need not wait.
            .with_for_update(read=True, key_share=True)
        ).all()
    )
    current = {
        one: rendered.entry
        for one, rendered in results.items()
        if rendered.entry is not None and public.get(one.subject) == rendered.sequence
    }
    entries = {
        one.subject: _entry(one.subject, results[one].sequence, entry) for one, entry in current.items()
    }
    words = {one.subject: _words(one.subject, results[one]) for one in current}
    _upsert(session, EntryRow, entries)
    _upsert(session, ArticleSearchRow, words)
    labels = {UUID(label) for one in results for label in one.data["labels"]} | _borne(session, entries)
    mark_changed(session, labels)
    place(session, entries, labels)
    return {one: Done(outcome="rendered" if one in current else "left out") for one in results}


def _borne(session: Session, articles: Collection[UUID]) -> set[UUID]:
    """Return the labels of articles now: an event tells those of its own revision."""
    of_them = select(ArticleLabelRow.label_id).where(ArticleLabelRow.article_id.in_(articles))
    return set(session.scalars(of_them)) if articles else set()


def _upsert(session: Session, row: type[Row], values: Mapping[UUID, Mapping[str, object]]) -> None:
    """Store a row an article, in the order of articles, instead of those before."""
    if not values:
        return
    new = insert(row)
    others = {name: new.excluded[name] for name in next(iter(values.values())) if name != "article_id"}
    statement = new.on_conflict_do_update(index_elements=["article_id"], set_=others)
    session.execute(statement, [values[identifier] for identifier in sorted(values)])


def _entry(article_id: UUID, sequence: int, entry: Entry) -> Mapping[str, object]:
    return {
        "article_id": article_id,
        "sequence": sequence,
        "updated": entry.updated,
        "atom": entry.atom,
        "rss": entry.rss,
        "json": entry.json,
    }


def _words(article_id: UUID, rendered: Rendered) -> Mapping[str, object]:
    return {"article_id": article_id, "sequence": rendered.sequence, "document": rendered.found_by}
