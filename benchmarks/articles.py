"""How many articles a second one worker process takes from received to published."""

import time
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select

from benchmarks.figure import Figure, Goal
from benchmarks.material import submission
from benchmarks.stand import DOMAIN, Stand, System
from publisher.article import ArticleStatus
from publisher.enrich.enriching import enrich
from publisher.enrich.enrichment import EnrichInput
from publisher.ingest.record import record_all
from publisher.ingest.submission import Submission
from publisher.schema import ArticleRow, StepRow

_ARTICLES = 2_000
_TOGETHER = 100
_WITHIN_S = 120


def measure(stand: Stand) -> list[Figure]:
    """Record articles, then let one relay and one worker process loose on them."""
    submissions = [submission(number) for number in range(_ARTICLES)]
    alone = _enriched_per_s(submissions)
    with System(stand, "articles") as system:
        _record(system, submissions)
        system.start("relay")
        system.start("worker", "--concurrency", "1")
        system.until(lambda: _published(system) == _ARTICLES, within_s=_WITHIN_S, every_s=0.2)
        published = _ARTICLES / _seconds(system, "publish")
        system.until(lambda: system.owed() == 0, within_s=_WITHIN_S, every_s=0.2)
        finished = _ARTICLES / _seconds(system)
    return [
        _figure("articles", published, alone, Goal(bound=150)),
        _figure("articles, every step", finished, alone),
    ]


def _figure(name: str, value: float, baseline: float, goal: Goal | None = None) -> Figure:
    return Figure(
        name=name,
        value=value,
        unit="articles/s",
        baseline=baseline,
        beside="enrich() alone, in a loop",
        goal=goal,
    )


def _enriched_per_s(submissions: Sequence[Submission]) -> float:
    inputs = [
        EnrichInput(article_id=UUID(int=number), title=one.title, content_html=one.content_html)
        for number, one in enumerate(submissions)
    ]
    started = time.monotonic()
    for one in inputs:
        enrich(one)
    return len(inputs) / (time.monotonic() - started)


def _record(system: System, submissions: Sequence[Submission]) -> None:
    for first in range(0, len(submissions), _TOGETHER):
        with system.sessions.begin() as session:
            record_all(session, submissions[first : first + _TOGETHER], tag_domain=DOMAIN)


def _published(system: System) -> int:
    published = select(func.count()).where(ArticleRow.status == ArticleStatus.PUBLISHED)
    with system.sessions() as session:
        return session.scalar(published) or 0


def _seconds(system: System, last_task: str | None = None) -> float:
    """Return how long it took from the first step that was begun to the last that ended."""
    begun = select(func.min(StepRow.started_at)).scalar_subquery()
    ended = select(func.max(StepRow.ended_at))
    if last_task is not None:
        ended = ended.where(StepRow.task == last_task)
    with system.sessions() as session:
        seconds = session.scalar(select(func.extract("epoch", ended.scalar_subquery() - begun)))
    assert seconds is not None
    return float(seconds)
