"""Of one article, the newest word is the last: embargoes that move, corrections in time, none for nothing.

Guards: `judge` (an embargo is read again when it ends), `cancel` (what waits is not sent after its
correction), `decide` (the same content is no revision).
"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from publisher.schema import RevisionRow
from tests.pipeline.newsroom import Newsroom, newsroom
from tests.pipeline.system import fresh_system
from tests.receivers import Received, Reply
from tests.waiting import eventually

FAR = timedelta(hours=1)


def answering(received: Received) -> Reply:
    """Answer as the path says: `/slow…` after a second, `/fails-first…` 503 to the first revision."""
    first = received.headers.get("publisher-sequence") == "1"
    if first and received.path.startswith("/fails-first"):
        return Reply(status=503)
    return Reply(after_s=1.0 if first and received.path.startswith("/slow") else 0.0)


@pytest.fixture(scope="module")
def room(
    engine: Engine, postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Newsroom]:
    """A newsroom that all tests of this module work in, each with an article and subscribers of its own."""
    folder: Path = tmp_path_factory.mktemp("room")
    with (
        fresh_system(engine, postgres_url, redis_url, folder) as system,
        newsroom(system, replicas=2, answering=answering) as room,
    ):
        yield room


def test_every_word_about_an_article_bears_its_sequence(room: Newsroom) -> None:
    room.subscribe("/words", categories=["words"])

    article = room.post("words")
    eventually(lambda: room.sequences("/words") == [1])
    room.post("words", title="Đính chính")
    eventually(lambda: room.sequences("/words") == [1, 2])
    room.take_down(article)
    eventually(lambda: room.sequences("/words") == [1, 2, 3])
    restored = room.post("words", restore=True)
    eventually(lambda: room.sequences("/words") == [1, 2, 3, 4])

    told = room.told("/words")
    assert [one.data["sequence"] for one in told] == [1, 2, 3, 4]
    assert [one.type for one in told] == [
        "article.published",
        "article.corrected",
        "article.retracted",
        "article.published",
    ]
    assert restored["sequence"] == 4
    item = eventually(lambda: room.api.get("/feeds/category/words.json").json()["items"])[0]
    assert item["_publisher"] == {"sequence": 4}


def test_an_embargo_that_is_moved_is_obeyed(room: Newsroom) -> None:
    for name in ("earlier", "later", "same"):
        room.subscribe(f"/{name}", categories=[name])
    soon = datetime.now(UTC) + timedelta(seconds=4)
    for name, first in (("earlier", soon + FAR), ("later", soon), ("same", soon)):
        room.post(name, visible_from=first.isoformat())

    earlier = room.post("earlier", visible_from=soon.isoformat())
    later = room.post("later", visible_from=(soon + FAR).isoformat())
    eventually(lambda: {room.status(one) for one in (earlier, later)} == {"scheduled"})
    before = [room.told(path) for path in ("/earlier", "/later", "/same")]
    moved = datetime.now(UTC)
    eventually(lambda: room.sequences("/same") and room.sequences("/earlier"))
    visible_at = datetime.now(UTC)

    assert moved < soon <= visible_at
    assert before == [[], [], []]
    assert room.sequences("/earlier") == [2]
    assert room.status(earlier) == "published"
    assert (room.status(later), room.sequences("/later")) == ("scheduled", [])
    assert later["uri"] not in room.ids_in("all")[0]


def test_a_correction_that_changes_nothing_sends_nothing(room: Newsroom) -> None:
    room.subscribe("/nothing-new", categories=["nothing-new", "marker"])
    article = room.post("nothing-new")
    eventually(lambda: room.sequences("/nothing-new") == [1])

    again = [room.post("nothing-new"), room.post("nothing-new", title="  Bài viết   nothing-new ")]
    room.post("marker")
    eventually(lambda: len(room.told("/nothing-new")) > 1)

    assert [(one["outcome"], one["sequence"]) for one in again] == [("unchanged", 1)] * 2
    assert [one.data["id"] == article["id"] for one in room.told("/nothing-new")] == [True, False]


def test_fifty_submissions_of_an_article_at_once_are_one_article_with_ordered_revisions(
    room: Newsroom,
) -> None:
    room.subscribe("/fifty", categories=["fifty"])

    with ThreadPoolExecutor(50) as clients:
        submitting = partial(_revision, room)
        answers = sorted(clients.map(submitting, range(50)), key=lambda answer: answer["sequence"])
    eventually(lambda: 50 in room.sequences("/fifty"))
    eventually(lambda: room.settled(answers[0]))

    assert len({answer["id"] for answer in answers}) == 1
    assert [answer["sequence"] for answer in answers] == list(range(1, 51))
    assert [answer["outcome"] for answer in answers] == ["created", *["revised"] * 49]
    assert _stored_titles(room, answers[0]["id"]) == [answer["title"] for answer in answers]
    last = room.told("/fifty")[-1]
    assert (last.sequence, last.data["title"]) == (50, answers[-1]["title"])


def test_fifty_equal_submissions_at_once_are_one_article_and_one_message_to_each_endpoint(
    room: Newsroom,
) -> None:
    paths = [f"/equal-{number}" for number in range(3)]
    endpoints = [room.subscribe(path, categories=["equal"]) for path in paths]

    with ThreadPoolExecutor(50) as clients:
        answers = list(clients.map(lambda number: room.post("equal", replica=number % 2), range(50)))
    eventually(lambda: all(room.told(path) for path in paths))
    eventually(lambda: room.settled(answers[0]))

    assert len({answer["id"] for answer in answers}) == 1
    assert Counter(answer["outcome"] for answer in answers) == {"created": 1, "unchanged": 49}
    assert [room.sequences(path) for path in paths] == [[1]] * 3
    assert [room.deliveries(one) for one in endpoints] == [[(1, "succeeded")]] * 3
    told = {one.headers["webhook-id"] for path in paths for one in room.receivers.received(path)}
    assert len(told) == 1


def test_what_was_tried_in_vain_is_not_sent_after_its_correction(room: Newsroom) -> None:
    endpoint = room.subscribe("/fails-first", categories=["in-vain"])
    room.post("in-vain")
    eventually(lambda: room.sequences("/fails-first") == [1])

    room.post("in-vain", title="Đính chính")
    eventually(lambda: room.deliveries(endpoint) == [(1, "cancelled"), (2, "succeeded")])

    assert room.sequences("/fails-first") == [1, 2]


def test_what_is_on_its_way_when_its_correction_comes_is_recorded_and_not_sent_again(room: Newsroom) -> None:
    endpoint = room.subscribe("/slow", categories=["on-its-way"])
    room.post("on-its-way")
    eventually(lambda: room.sequences("/slow") == [1])

    room.post("on-its-way", title="Đính chính")
    eventually(lambda: room.sequences("/slow") == [1, 2])
    eventually(lambda: room.deliveries(endpoint) == [(1, "succeeded"), (2, "succeeded")])

    assert room.sequences("/slow") == [1, 2]


def _revision(room: Newsroom, number: int) -> dict[str, Any]:
    return room.post("fifty", replica=number % len(room.replicas), title=f"Bản thứ {number}")


def _stored_titles(room: Newsroom, article: str) -> list[str]:
    """Return the title of each revision, in their order."""
    revisions = select(RevisionRow.title).where(RevisionRow.article_id == article)
    with room.system.sessions() as session:
        return list(session.scalars(revisions.order_by(RevisionRow.sequence)))
