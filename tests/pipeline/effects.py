"""What came of articles, as the record and the feeds show it: each step once, whatever was killed."""

from collections import Counter
from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select

from publisher.events import EventType
from publisher.schema import ArticleLabelRow, ArticleRow, DeliveryRow, EntryRow, EventRow, LabelRow, StepRow
from tests.pipeline.system import System

_OF_AN_ARTICLE = (EventType.ARTICLE_RECEIVED, EventType.ARTICLE_ENRICHED, EventType.ARTICLE_PUBLISHED)
_TASKS = ("enrich", "publish", "feeds", "fan_out")


def assert_seen_once(system: System, articles: Collection[UUID], *, endpoints: int = 0) -> None:
    """Assert that the articles went the whole way, and that no step of it shows twice.

    Args:
        articles: all that there are; at most as many as a feed shows.
        endpoints: that ask for all of them.
    """
    assert dict.fromkeys(articles, "published") == system.statuses()
    assert Counter((one, kind) for one in articles for kind in _OF_AN_ARTICLE) == _events(system)
    assert Counter((one, task) for one in articles for task in _TASKS) == _steps(system)
    assert _uris(system) == _entries(system)
    assert dict.fromkeys(articles, endpoints) == {one: _deliveries(system)[one] for one in articles}


def assert_nothing_is_half_done(system: System) -> None:
    """Assert that every event of a stage stands beside the step that made it, while nobody works."""
    assert system.steps("enrich") == system.events(EventType.ARTICLE_ENRICHED)
    assert system.steps("publish") == system.events(EventType.ARTICLE_PUBLISHED)


def _events(system: System) -> Counter[tuple[UUID, str]]:
    with system.sessions() as session:
        rows = session.execute(
            select(EventRow.subject, EventRow.type).where(EventRow.type.in_(_OF_AN_ARTICLE))
        )
        return Counter((row.subject, row.type) for row in rows)


def _steps(system: System) -> Counter[tuple[UUID, str]]:
    with system.sessions() as session:
        rows = session.execute(select(StepRow.subject, StepRow.task).where(StepRow.task.in_(_TASKS)))
        return Counter((row.subject, row.task) for row in rows)


def _uris(system: System) -> Counter[str]:
    with system.sessions() as session:
        return Counter(session.scalars(select(ArticleRow.uri)))


def _entries(system: System) -> Counter[str]:
    """Return the ids of what has a place in the feed of everything."""
    with system.sessions() as session:
        return Counter(
            session.scalars(
                select(ArticleRow.uri)
                .join(EntryRow, EntryRow.article_id == ArticleRow.id)
                .join(ArticleLabelRow, ArticleLabelRow.article_id == ArticleRow.id)
                .join(LabelRow, LabelRow.id == ArticleLabelRow.label_id)
                .where(LabelRow.kind == "all", ArticleLabelRow.position.is_not(None))
            )
        )


def _deliveries(system: System) -> Counter[UUID | None]:
    with system.sessions() as session:
        return Counter(session.scalars(select(DeliveryRow.article_id)))
