"""Tell of what was accepted and taken down, once it is committed: a line in the log, and whoever counts."""

from collections.abc import Sequence
from uuid import UUID

import structlog

from publisher.api.context import ApiContext
from publisher.ingest.record import Recorded

log = structlog.get_logger("publisher.api")


def report_accepted(context: ApiContext, recorded: Recorded, *, traceparent: str | None) -> None:
    """Tell of one article."""
    context.on_accepted([recorded.outcome])
    log.info(
        "article.accepted",
        article_id=str(recorded.article_id),
        outcome=recorded.outcome.value,
        sequence=recorded.sequence,
        **_trace(traceparent),
    )


def report_batch(context: ApiContext, recorded: Sequence[Recorded], *, traceparent: str | None) -> None:
    """Tell of articles that came in one request: in one line, since thousands come a second."""
    context.on_accepted([one.outcome for one in recorded])
    articles = [f"{one.article_id} {one.outcome.value} {one.sequence}" for one in recorded]
    log.info("articles.accepted", articles=articles, **_trace(traceparent))


def report_taken_down(article_id: UUID, *, traceparent: str | None) -> None:
    """Tell of a takedown that was news."""
    log.info("article.retracted", article_id=str(article_id), **_trace(traceparent))


def _trace(traceparent: str | None) -> dict[str, str]:
    return {} if traceparent is None else {"traceparent": traceparent}
