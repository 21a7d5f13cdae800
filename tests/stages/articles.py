"""Bring articles to where a test of a stage begins, with the stages' own functions and no queue."""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from feeds.push import load_topics, render_topics, store_pushes
from feeds.refresh import load_articles, render, store_entries
from feeds.style import FeedStyle
from publisher.archive import Archive
from publisher.enrich.stage import find_out, load_revisions, store_enrichments
from publisher.events import EventType
from publisher.ingest.record import Recorded, record
from publisher.ingest.submission import Submission
from publisher.outbox.obligation import Fate, Obligation
from publisher.outbox.work import settle
from publisher.publish import store_publications
from publisher.schema import EventTaskRow

DOMAIN = "news.example"
BASE_URL = "https://news.example"
STYLE = FeedStyle(
    title="Tin tức",
    author="Toà soạn",
    language="vi",
    base_url=BASE_URL,
    tag_domain=DOMAIN,
    length=50,
)
ARCHIVE = Archive(base_url=BASE_URL)
Loaded = TypeVar("Loaded")


def submission(**fields: Any) -> Submission:
    """Return a small article with a url; `url=None` or any other field as you like."""
    values = {
        "title": "Hà Nội mở thêm 23,6 km đường",
        "url": "https://news.example/a",
        "content_html": "<p>Sáng 23/11, thành phố thông xe một tuyến đường mới.</p>",
        **fields,
    }
    return Submission(**values)


def recorded(session: Session, **fields: Any) -> Recorded:
    """Record a submission."""
    return record(session, submission(**fields), tag_domain=DOMAIN)


def owed(session: Session, task: str) -> list[Obligation]:
    """Return the obligations of a task that are due, as if they had been begun just now."""
    rows = session.scalars(
        select(EventTaskRow).where(EventTaskRow.task == task).order_by(EventTaskRow.event_id)
    )
    return [
        Obligation(
            event_id=row.event_id,
            task=row.task,
            type=EventType(row.type),
            subject=row.subject,
            queued_at=row.due_at,
            started_at=row.due_at,
            data=row.data,
            traceparent=row.traceparent,
        )
        for row in rows
    ]


def run(
    session: Session,
    task: str,
    load: Callable[[Session, Collection[Obligation]], Mapping[Obligation, Any]],
    compute: Callable[[Any], Any],
    store: Callable[[Session, Mapping[Obligation, Any]], Mapping[Obligation, Fate]],
) -> dict[Obligation, Fate]:
    """Run a stage over everything that is owed, and strike it off."""
    obligations = owed(session, task)
    results = {one: compute(value) for one, value in load(session, obligations).items()}
    fates = dict(store(session, results)) if results else {}
    settle(session, fates)
    session.expire_all()
    return fates


def run_enrich(session: Session) -> dict[Obligation, Fate]:
    """Enrich everything that was received."""
    return run(session, "enrich", load_revisions, find_out, store_enrichments)


def run_publish(session: Session) -> dict[Obligation, Fate]:
    """Publish everything that was enriched."""
    return run(session, "publish", _themselves, lambda one: one, store_publications)


def run_feeds(session: Session) -> dict[Obligation, Fate]:
    """Render the fragments of everything that was published, and mark feeds."""
    return run(
        session,
        "feeds",
        partial(load_articles, archive=ARCHIVE),
        partial(render, style=STYLE),
        store_entries,
    )


def run_push(session: Session) -> dict[Obligation, Fate]:
    """Make the documents that subscribers are owed."""
    return run(
        session, "push", partial(load_topics, style=STYLE), partial(render_topics, style=STYLE), store_pushes
    )


def published(session: Session, **fields: Any) -> UUID:
    """Record an article and publish it; return its id."""
    identifier = recorded(session, **fields).article_id
    run_enrich(session)
    run_publish(session)
    return identifier


def _themselves(_: Session, obligations: Collection[Obligation]) -> dict[Obligation, Obligation]:
    return {one: one for one in obligations}
