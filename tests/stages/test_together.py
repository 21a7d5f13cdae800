"""One transaction for many: a lock that somebody holds keeps nobody waiting for ever."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from publisher.api import together as together_module
from publisher.api.together import store_together
from publisher.database import Sessions, connect, sessions
from publisher.server_urls import for_libpq

ITEMS = range(32)
LOCK_TIMEOUT_S = 0.5
# Each alone waits for half a second, for four seconds altogether.
MOST_TRIES = 10


def test_the_last_are_not_tried_when_one_after_the_other_is_held_up(
    database: Sessions, postgres_url: str
) -> None:
    engine = connect(postgres_url, lock_timeout_s=LOCK_TIMEOUT_S)
    tried: list[Sequence[int]] = []

    def work(session: Session, items: Sequence[int]) -> Sequence[int]:
        tried.append(items)
        session.execute(text("SELECT FROM article LIMIT 1"))
        return items

    with _locked(postgres_url):
        results = store_together(sessions(engine, {}), ITEMS, work)
    engine.dispose()

    together, *alone = tried
    assert len(together) == len(ITEMS)
    assert 0 < len(alone) <= MOST_TRIES
    assert [type(one) for one in results] == [OperationalError] * len(ITEMS)


def test_who_is_not_held_up_is_stored(database: Sessions) -> None:
    def work(session: Session, items: Sequence[int]) -> Sequence[int]:
        session.execute(text("SELECT 1 / :divisor"), [{"divisor": item} for item in items])
        return items

    results = store_together(database, [1, 0, 2], work)

    assert [results[0], results[2]] == [1, 2]
    assert isinstance(results[1], Exception)


@pytest.mark.parametrize(
    ("condition", "tries"),
    [
        ("disk_full", 1),
        ("read_only_sql_transaction", 1),
        ("serialization_failure", 1),
        ("out_of_memory", 1),
        ("program_limit_exceeded", 3),
        ("division_by_zero", 3),
    ],
)
def test_the_last_are_not_tried_for_as_long_as_the_server_is_in_the_way(
    database: Sessions, monkeypatch: pytest.MonkeyPatch, condition: str, tries: int
) -> None:
    monkeypatch.setattr(together_module, "_PATIENCE_S", 0.0)
    tried: list[Sequence[int]] = []

    def work(session: Session, items: Sequence[int]) -> Sequence[int]:
        tried.append(items)
        session.execute(text(f"DO $$ BEGIN RAISE 'x' USING ERRCODE = '{condition}'; END $$"))
        return items

    results = store_together(database, [1, 2, 3], work)

    assert len(tried) == 1 + tries
    assert [isinstance(one, Exception) for one in results] == [True] * 3


@contextmanager
def _locked(postgres_url: str) -> Iterator[None]:
    with psycopg.connect(for_libpq(postgres_url)) as connection:
        connection.execute("LOCK TABLE article")
        yield
