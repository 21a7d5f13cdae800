"""An article is taken down while the pipeline is full: gone at once, told first, and nothing of it is left.

Guards: `mark_changed` and `_leave_feeds` (readers lose it with the commit), the queue `urgent` (the
notice overtakes), `retract`'s scrubbing of messages and documents, `cancel` (what waits of it is not sent),
the audience of a retraction (who was sent anything of it, and asks).
"""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, Row, text
from sqlalchemy.orm import Session

from publisher.database import Sessions
from tests.pipeline.newsroom import FORMATS, Newsroom, newsroom
from tests.pipeline.system import System, fresh_system
from tests.receivers import Received, Reply
from tests.waiting import eventually

BACKLOG = 50_000
# In every field that is text, and nowhere else.
SENTINEL = "zyxwvut"
_COLUMNS = """
SELECT table_name, column_name, data_type FROM information_schema.columns
JOIN information_schema.tables USING (table_schema, table_name)
WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
  AND data_type IN ('text', 'bytea', 'jsonb', 'ARRAY', 'tsvector')
"""
# Copies of one article that was just received.
_FILL = """
CREATE TEMPORARY TABLE filled ON COMMIT DROP AS
    SELECT gen_random_uuid() AS id, gen_random_uuid() AS event FROM generate_series(1, :count);
INSERT INTO article (id, uri, status, sequence, revision, published, updated, received_at)
    SELECT filled.id, 'tag:' || filled.id, status, sequence, revision, published, updated, received_at
    FROM article, filled WHERE article.id = :template;
INSERT INTO revision
    (article_id, sequence, title, content_text, details, digest, notify, received_at, derived)
    SELECT filled.id, sequence, title, content_text, details, digest, notify, received_at, derived
    FROM revision, filled WHERE article_id = :template;
INSERT INTO event_task (task, event_id, queue, type, subject, data, due_at)
    SELECT 'enrich', filled.event, 'pipeline', 'article.received', filled.id, '{"sequence": 1}', now()
    FROM filled;
"""


@pytest.fixture(scope="module")
def room(
    engine: Engine, postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Newsroom]:
    """A newsroom with two web processes, in which each test has an article and subscribers of its own."""
    folder: Path = tmp_path_factory.mktemp("room")
    with (
        fresh_system(engine, postgres_url, redis_url, folder) as system,
        newsroom(system, replicas=2, answering=answering) as room,
    ):
        yield room


def answering(received: Received) -> Reply:
    """Answer as the path says: `/fails-first…` 503 to the first revision."""
    first = received.headers.get("publisher-sequence") == "1"
    return Reply(status=503 if first and received.path.startswith("/fails-first") else 204)


def test_readers_lose_it_and_subscribers_hear_of_it_before_a_backlog(room: Newsroom) -> None:
    room.subscribe("/behind", categories=["behind"])
    article = room.post("behind")
    eventually(lambda: room.sequences("/behind") == [1])
    eventually(lambda: _holding(room, article, "behind") == _everywhere(room, "behind"))
    _fill(room.system)

    room.take_down(article)
    holding, pages = _holding(room, article, "behind"), _pages(room, article)
    eventually(lambda: room.sequences("/behind") == [1, 2])
    waiting = room.system.owed("enrich")
    _clear(room.system)

    assert (holding, pages) == (set(), {410})
    assert room.told("/behind")[-1].type == "article.retracted"
    assert waiting > BACKLOG * 0.8


def test_it_is_told_to_who_was_sent_anything_of_it_and_asks(room: Newsroom) -> None:
    hearing = {
        "/reach/all": {"categories": ["reach", "moved"]},
        "/reach/left-it": {"categories": ["reach"]},
        "/fails-first/reach": {"categories": ["reach"]},
    }
    silent = {
        "/reach/news-only": {
            "categories": ["moved"],
            "event_types": ["article.published", "article.corrected"],
        },
        "/reach/others": {"categories": ["elsewhere"]},
        "/reach/notices-only": {"categories": ["reach"], "event_types": ["article.retracted"]},
    }
    endpoints = {path: room.subscribe(path, **members) for path, members in (hearing | silent).items()}
    room.post("reach")
    eventually(lambda: all(room.sequences(path) == [1] for path in hearing))
    article = room.post("reach", categories=["moved"])
    eventually(lambda: room.sequences("/reach/all") == [1, 2] and room.sequences("/reach/news-only") == [2])

    room.take_down(article)
    eventually(lambda: all(room.sequences(path)[-1] == 3 for path in hearing))
    room.system.wait_until_done()

    got = {path: [sequence for sequence, _ in room.deliveries(one)] for path, one in endpoints.items()}
    assert got == {
        "/reach/all": [1, 2, 3],
        "/reach/left-it": [1, 3],
        "/fails-first/reach": [1, 3],
        "/reach/news-only": [2],
        "/reach/others": [],
        "/reach/notices-only": [],
    }
    # The second try was still to come.
    assert (1, "cancelled") in room.deliveries(endpoints["/fails-first/reach"])


def test_nothing_of_it_is_left_but_the_history_of_its_revisions(room: Newsroom) -> None:
    endpoint = room.subscribe("/fails-first/scrubbed", categories=["scrubbed"])
    article = room.post(
        "scrubbed",
        title=f"Tiêu đề {SENTINEL}",
        summary=f"Tóm tắt {SENTINEL}",
        content_text=f"Nội dung {SENTINEL}.",
        authors=[{"name": f"Tác giả {SENTINEL}"}],
        tags=[SENTINEL],
    )
    eventually(lambda: room.sequences("/fails-first/scrubbed") == [1])
    eventually(lambda: _holding(room, article, "scrubbed") == _everywhere(room, "scrubbed"))
    before = _tables_with(room.system.sessions, SENTINEL)

    room.take_down(article)
    at_once = _tables_with(room.system.sessions, SENTINEL)
    eventually(lambda: room.sequences("/fails-first/scrubbed") == [1, 2])
    room.system.wait_until_done()

    assert before == {"article_search", "entry", "label", "message", "revision"}
    # What editors may want to read again, or to restore; no reader and no subscriber ever sees it. The feeds
    # of its author and its tag are there to tell that it is gone.
    assert at_once == {"label", "revision"}
    assert _tables_with(room.system.sessions, SENTINEL) == {"label", "revision"}
    assert room.deliveries(endpoint) == [(1, "cancelled"), (2, "succeeded")]


def _everywhere(room: Newsroom, category: str) -> set[Any]:
    feeds = [f"/feeds/{name}.{ending}" for name in ("all", f"category/{category}") for ending in FORMATS]
    return {(replica, feed) for replica in range(len(room.replicas)) for feed in feeds}


def _holding(room: Newsroom, article: dict[str, Any], category: str) -> set[Any]:
    """Return the replicas and feeds that still show an article; a tombstone does not."""
    shown = article["title"]
    return {
        (replica, feed)
        for replica, feed in _everywhere(room, category)
        if shown in room.replicas[replica].get(feed).text
    }


def _pages(room: Newsroom, article: dict[str, Any]) -> set[int]:
    return {replica.get(f"/articles/{article['id']}").status_code for replica in room.replicas}


def _fill(system: System) -> None:
    """Owe the enrichment of many articles that lie there, received."""
    template = system.submit(1)
    with system.sessions.begin() as session:
        for statement in _FILL.strip().rstrip(";").split(";\n"):
            session.execute(text(statement), {"count": BACKLOG, "template": template})


def _clear(system: System) -> None:
    """Take the backlog away again: the other tests need not wait for it."""
    with system.sessions.begin() as session:
        # Workers write batches of it meanwhile.
        session.execute(text("SET LOCAL lock_timeout = '30s'"))
        session.execute(text("DELETE FROM event_task WHERE task = 'enrich'"))
    system.wait_until_done()


def _tables_with(sessions: Sessions, word: str) -> set[str]:
    """Return the tables that hold a word in any column, plain or compressed."""
    with sessions() as session:
        columns = session.execute(text(_COLUMNS)).all()
        return {_parent(one.table_name) for one in columns if _holds(session, one, word)}


def _holds(session: Session, column: Row[Any], word: str) -> bool:
    name, table = f'"{column.column_name}"', f'"{column.table_name}"'
    if column.data_type == "bytea":
        found = f"position(convert_to(:word, 'UTF8') IN {name}) > 0"
        zipped = session.scalars(text(f"SELECT {name} FROM {table} WHERE substr({name}, 1, 2) = '\\x1f8b'"))
        if any(word.encode() in gzip.decompress(one) for one in zipped):
            return True
    else:
        found = f"position(:word IN CAST({name} AS text)) > 0"
    return bool(session.scalar(text(f"SELECT EXISTS (SELECT FROM {table} WHERE {found})"), {"word": word}))


def _parent(table: str) -> str:
    """Return the table that a partition belongs to."""
    name, _, rest = table.rpartition("_")
    return name if rest.isdigit() or rest == "default" else table
