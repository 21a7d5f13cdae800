"""A stored article that cannot be read, or not be shown, is alone left out of feeds, until it is repaired."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import feedparser
import httpx
import pytest
from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from feeds.feed import FeedFormat
from publisher.database import Sessions
from publisher.events import Queue
from publisher.outbox.lease import lease_due
from publisher.outbox.watch import Stuck, replay, stuck
from publisher.retract import retract
from publisher.schema import EventTaskRow
from tests.readers import reading
from tests.stages.articles import ARCHIVE, STYLE, published
from workers.pipeline import app, refresh_feeds

TRIES = 6


@dataclass(frozen=True)
class Damage:
    """What is wrong with a stored article, and what is said of it."""

    details: Mapping[str, object]
    error: str


DAMAGES = {
    "pictures that are no list": Damage({"images": 5}, "TypeError: 'int' object is not iterable"),
    "an author of another shape": Damage({"authors": [{"nonsense": 1}]}, "TypeError: "),
    "a date that is none": Damage({"related": [{"title": "T", "published": "hôm qua"}]}, "ValueError: "),
    "a tag that is no text": Damage({"tags": [5]}, "TypeError: "),
    "a place that is no text": Damage({"places": [None]}, "TypeError: "),
}
UNREADABLE, UNPRESENTABLE = DAMAGES["pictures that are no list"], DAMAGES["a tag that is no text"]


@pytest.fixture(autouse=True)
def worker(database: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the task itself run here, as in a worker."""
    for name, value in {"sessions": database, "archive": ARCHIVE, "style": STYLE}.items():
        monkeypatch.setattr(app, name, value, raising=False)


@pytest.fixture
def reader(database: Sessions) -> Iterator[httpx.Client]:
    """Somebody who reads feeds."""
    with reading(database) as client:
        yield client


def bring_out(database: Sessions, number: int, **fields: object) -> UUID:
    """Publish an article; what is owed to feeds is all that is left to do."""
    with database.begin() as session:
        article = published(session, **{"url": f"https://news.example/{number}", **fields})
        _leave_what_feeds_are_owed(session)
    return article


def take_down(database: Sessions, article: UUID) -> None:
    with database.begin() as session:
        retract(session, article, reason=None)
        _leave_what_feeds_are_owed(session)


def _leave_what_feeds_are_owed(session: Session) -> None:
    session.execute(delete(EventTaskRow).where(EventTaskRow.task != refresh_feeds.name))


def damage(database: Sessions, article: UUID, details: Mapping[str, object]) -> None:
    """Overwrite some of what the newest revision says, as nothing of ours would."""
    with database.begin() as session:
        session.execute(
            text(
                "UPDATE revision SET details = details || CAST(:details AS jsonb) WHERE article_id = :article"
                " AND sequence = (SELECT revision FROM article WHERE id = :article)"
            ),
            {"article": article, "details": json.dumps(details)},
        )


def work(database: Sessions) -> int:
    """Do what is owed to feeds, a message a queue, whatever pauses are left; return how much it was."""
    with database.begin() as session:
        later = now(session) + timedelta(hours=1)
        parcels = [one for queue in Queue for one in lease_due(session, queue, room=1, at=later)]
    for parcel in parcels:
        ids = [str(one) for one in parcel.event_ids]
        refresh_feeds.apply(args=[ids], task_id=str(parcel.token), throw=True)
    return sum(len(parcel.event_ids) for parcel in parcels)


def now(session: Session) -> datetime:
    at = session.scalar(select(func.now()))
    assert at is not None
    return at


def failures(database: Sessions) -> dict[UUID, tuple[int, str]]:
    """Return how often what is still owed has failed, and with what, by article."""
    with database() as session:
        rows = session.scalars(select(EventTaskRow))
        return {row.subject: (row.failures, row.last_error or "") for row in rows}


def reported(database: Sessions) -> list[Stuck]:
    with database() as session:
        return stuck(session)


def shown(reader: httpx.Client) -> list[UUID]:
    """Return the articles in the feed of everything, which is valid in every format, and says the same."""
    atom, rss, json_feed = (reader.get(f"/feeds/all.{one}") for one in FeedFormat)
    found = [item["id"] for item in json_feed.json()["items"]]
    for answer in (atom, rss):
        parsed = feedparser.parse(answer.content)
        assert not parsed["bozo"]
        assert [entry["id"] for entry in parsed["entries"]] == found
    return [UUID(uri.rpartition("/")[2]) for uri in found]


@pytest.mark.parametrize("damaged", DAMAGES.values(), ids=DAMAGES)
def test_it_fails_alone_and_its_neighbours_get_into_the_feed(
    database: Sessions, reader: httpx.Client, damaged: Damage
) -> None:
    first, poisoned, last = (bring_out(database, number) for number in range(3))
    damage(database, poisoned, damaged.details)

    in_one_message = work(database)

    assert in_one_message == 3
    assert shown(reader) == [last, first]
    assert failures(database).keys() == {poisoned}
    times, error = failures(database)[poisoned]
    assert times == 1
    assert error.startswith(damaged.error)


def test_a_row_that_python_cannot_hold_fails_alone(database: Sessions, reader: httpx.Client) -> None:
    first, poisoned, last = (bring_out(database, number) for number in range(3))
    with database.begin() as session:
        far = text("UPDATE article SET published = 'infinity' WHERE id = :article")
        session.execute(far, {"article": poisoned})

    work(database)

    assert shown(reader) == [last, first]
    assert failures(database).keys() == {poisoned}
    assert failures(database)[poisoned][1].startswith("DataError: timestamp too large")


@pytest.mark.parametrize("damaged", [UNREADABLE, UNPRESENTABLE], ids=["unreadable", "unpresentable"])
def test_after_its_tries_it_is_stuck_with_its_error_and_feeds_go_on(
    database: Sessions, reader: httpx.Client, damaged: Damage
) -> None:
    poisoned, other = (bring_out(database, number) for number in range(2))
    damage(database, poisoned, damaged.details)

    tried = [work(database) for _ in range(TRIES + 1)]
    later = bring_out(database, 2)
    work(database)

    (one,) = reported(database)
    assert tried == [2, 1, 1, 1, 1, 1, 0]
    assert (one.subject, one.task, one.failures) == (poisoned, "feeds", TRIES)
    assert (one.last_error or "").startswith(damaged.error)
    assert shown(reader) == [later, other]


@pytest.mark.parametrize("damaged", [UNREADABLE, UNPRESENTABLE], ids=["unreadable", "unpresentable"])
def test_repaired_and_replayed_it_comes_in(database: Sessions, reader: httpx.Client, damaged: Damage) -> None:
    poisoned, other = (bring_out(database, number) for number in range(2))
    damage(database, poisoned, damaged.details)
    for _ in range(TRIES):
        work(database)
    (one,) = reported(database)

    damage(database, poisoned, {name: [] for name in damaged.details})
    with database.begin() as session:
        replayed = replay(session, [one.event_id])
    work(database)

    assert replayed == 1
    assert shown(reader) == [poisoned, other]
    assert (failures(database), reported(database)) == ({}, [])


def test_a_poisoned_correction_leaves_in_the_feed_what_readers_have(
    database: Sessions, reader: httpx.Client
) -> None:
    article = bring_out(database, 1, title="Bài đầu tiên")
    work(database)
    bring_out(database, 1, title="Đã sửa")
    damage(database, article, UNPRESENTABLE.details)
    other = bring_out(database, 2)

    for _ in range(TRIES):
        work(database)

    assert shown(reader) == [other, article]
    assert "Bài đầu tiên" in reader.get("/feeds/all.atom").text
    assert [one.subject for one in reported(database)] == [article]


def test_it_can_be_taken_down_all_the_same(database: Sessions, reader: httpx.Client) -> None:
    article = bring_out(database, 1, title="Bài đầu tiên")
    work(database)
    bring_out(database, 1, title="Đã sửa")
    damage(database, article, UNREADABLE.details)
    work(database)

    take_down(database, article)
    work(database)

    assert shown(reader) == []
    assert failures(database) == {}
