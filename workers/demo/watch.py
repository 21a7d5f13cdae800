"""Finds out how far articles are: from the record, from the feeds as readers get them, from the webhooks."""

import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from uuid import UUID

import httpx
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from feeds.feed import FeedFormat
from publisher.article import ArticleStatus
from publisher.publish import Verdict
from publisher.schema import ArticleLabelRow, ArticleRow, LabelRow, StepRow
from workers.demo.board import Board, Journey, Stage
from workers.demo.readers import ids_in
from workers.demo.subscriber import Subscriber
from workers.machine import Machine

_TASKS = {"enrich": Stage.ENRICHED, "publish": Stage.PUBLISHED}
_NOT_YET = (Verdict.SCHEDULED, Verdict.SUPERSEDED)


class Watch:
    """Looks again and again, and notes on the board what is new."""

    def __init__(self, machine: Machine, http: httpx.Client, subscriber: Subscriber, board: Board) -> None:
        self._sessions = machine.sessions
        self._feed_length = machine.settings.feed_length
        self._http = http
        self._subscriber = subscriber
        self._board = board
        self._seen: set[tuple[int, str]] = set()
        with self._sessions() as session:
            now = session.scalar(select(func.now()))
        assert now is not None
        # The database may stand on another machine, with another clock.
        self._ahead_s = now.timestamp() - time.time()

    def look(self) -> None:
        """Note everything that has happened since the last look."""
        self._look_at_record()
        self._look_at_feeds()
        self._look_at_webhooks()

    def documents(self) -> list[str]:
        """Return the addresses of the feeds that these articles belong to, in every format."""
        paths = dict.fromkeys(path for journey in self._board.journeys for path in journey.feeds)
        return [f"{path}.{one}" for path in paths for one in FeedFormat]

    def absent_from(self, number: int) -> list[str]:
        """Return the addresses of feeds in which an article has not been seen."""
        journey = self._board.journeys[number]
        addresses = [f"{path}.{one}" for path in journey.feeds for one in FeedFormat]
        return [address for address in addresses if (number, address) not in self._seen]

    def _waiting_for(self, *stages: Stage) -> Iterator[tuple[int, Journey]]:
        for number, journey in enumerate(self._board.journeys):
            if journey.article_id and set(stages) & set(journey.missing):
                yield number, journey

    def _look_at_record(self) -> None:
        waiting = list(self._waiting_for(Stage.ENRICHED, Stage.PUBLISHED))
        ids = {UUID(journey.article_id) for _, journey in waiting}
        if not ids:
            return
        embargoed = ArticleRow.id.in_(ids) & (ArticleRow.status == ArticleStatus.SCHEDULED)
        with self._sessions() as session:
            passed = _passed(session, ids)
            scheduled = set(session.scalars(select(ArticleRow.id).where(embargoed)))
        for number, journey in waiting:
            identifier = UUID(journey.article_id)
            for stage, ended_at in passed[identifier]:
                at = ended_at.timestamp() - self._ahead_s
                if at >= journey.sent_at:
                    self._board.reach(number, stage, at=at)
            if identifier in scheduled:
                expected = journey.expected & {Stage.RECEIVED, Stage.ENRICHED}
                self._board.change(number, note=ArticleStatus.SCHEDULED.value, expected=expected)

    def _look_at_feeds(self) -> None:
        waiting = [
            (number, journey)
            for number, journey in self._waiting_for(Stage.IN_FEEDS)
            if Stage.PUBLISHED not in journey.missing
        ]
        for path in dict.fromkeys(path for _, journey in waiting for path in journey.feeds):
            concerned = [(number, journey) for number, journey in waiting if path in journey.feeds]
            self._look_at_feed(path, concerned)
        for number, _ in waiting:
            if not self.absent_from(number):
                self._board.reach(number, Stage.IN_FEEDS, at=time.time())

    def _look_at_feed(self, path: str, concerned: Collection[tuple[int, Journey]]) -> None:
        for feed_format in FeedFormat:
            address = f"{path}.{feed_format}"
            absent = [one for one in concerned if (one[0], address) not in self._seen]
            if not absent:
                continue
            answer = self._http.get(address)
            entries = ids_in(feed_format, answer.content) if answer.status_code == 200 else {}
            full = len(entries) >= self._feed_length
            for number, journey in absent:
                # Only JSON Feed tells the sequence, and a change is one of all formats.
                sequence = entries.get(journey.uri)
                current = sequence is not None and not 0 < sequence < journey.sequence
                if current or (full and sequence is None and self._pushed_out(path, journey)):
                    self._seen.add((number, address))

    def _pushed_out(self, path: str, journey: Journey) -> bool:
        """Return whether so many newer articles came that a reader does not find this one any more."""
        slug = path.rpartition("/")[2]
        newest = (
            select(ArticleLabelRow.article_id)
            .join(LabelRow, LabelRow.id == ArticleLabelRow.label_id)
            .where(LabelRow.slug == slug, LabelRow.kind == ("all" if path == "/feeds/all" else "category"))
            .where(ArticleLabelRow.position.is_not(None))
            .order_by(ArticleLabelRow.position.desc())
            .limit(self._feed_length)
        )
        with self._sessions() as session:
            return UUID(journey.article_id) not in set(session.scalars(newest))

    def _look_at_webhooks(self) -> None:
        arrived = [one for one in self._subscriber.received if one.verified]
        for number, journey in self._waiting_for(Stage.DELIVERED):
            for webhook in arrived:
                if webhook.article_id == journey.article_id and webhook.sequence >= journey.sequence:
                    self._board.reach(number, Stage.DELIVERED, at=webhook.at)


def _passed(session: Session, ids: Collection[UUID]) -> Mapping[UUID, list[tuple[Stage, datetime]]]:
    """Return what each article has passed, and when, in order."""
    steps = session.scalars(
        select(StepRow)
        .where(StepRow.subject.in_(ids), StepRow.task.in_(_TASKS), StepRow.outcome.not_in(_NOT_YET))
        .order_by(StepRow.ended_at)
    )
    passed: dict[UUID, list[tuple[Stage, datetime]]] = defaultdict(list)
    for step in steps:
        passed[step.subject].append((_TASKS[step.task], step.ended_at))
    return passed
