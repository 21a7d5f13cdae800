"""A batch: each obligation fails alone, and what is not ours any more is not touched."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import create_engine, func, make_url, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from publisher.database import Sessions, connect, sessions
from publisher.events import EventType, Queue
from publisher.ids import new_id
from publisher.outbox.emit import emit
from publisher.outbox.lease import Parcel, lease_due
from publisher.outbox.obligation import Done, Fate, Obligation
from publisher.outbox.watch import stuck
from publisher.schema import EventTaskRow, StepRow
from workers import batch as batch_module
from workers.batch import handling
from workers.handled import Handled


@dataclass
class Running:
    """A task as Celery hands it to its function: a name, an id, and the application."""

    name: str
    request: Any
    app: Any


@dataclass
class Request:
    id: str


@dataclass
class App:
    sessions: Sessions
    handled: list[Handled] = field(default_factory=list)

    def observe(self, handled: Handled) -> None:
        self.handled.append(handled)


_REFUSE = text("DO $$ BEGIN RAISE 'no space left on device' USING ERRCODE = 'disk_full'; END $$")


@pytest.fixture
def parcel(database: Sessions) -> Parcel:
    with database.begin() as session:
        for _ in range(4):
            emit(session, EventType.ARTICLE_RECEIVED, new_id(), {"sequence": 1})
        (parcel,) = lease_due(session, Queue.PIPELINE, room=1)
    return parcel


def running(database: Sessions, parcel: Parcel) -> Any:
    return Running(parcel.task, Request(str(parcel.token)), App(database))


def everything(_: Session, obligations: Collection[Obligation]) -> dict[Obligation, UUID]:
    return {one: one.event_id for one in obligations}


def fulfilled(_: Session, results: Mapping[Obligation, Any]) -> dict[Obligation, Fate]:
    return {one: Done(outcome="fulfilled") for one in results}


def ids(parcel: Parcel) -> list[str]:
    return [str(one) for one in parcel.event_ids]


def ended(database: Sessions) -> int:
    with database() as session:
        return session.scalar(select(func.count()).select_from(StepRow)) or 0


def failures(database: Sessions) -> dict[UUID, str | None]:
    with database() as session:
        rows = session.execute(
            select(EventTaskRow.event_id, EventTaskRow.last_error).where(EventTaskRow.failures > 0)
        )
        return {row.event_id: row.last_error for row in rows}


def test_everything_that_was_done_is_struck_off(database: Sessions, parcel: Parcel) -> None:
    with handling(running(database, parcel), ids(parcel)) as batch:
        batch.write(fulfilled, batch.compute(str, batch.load(everything)))

    assert ended(database) == 4
    assert failures(database) == {}


def test_one_that_cannot_be_computed_fails_alone(database: Sessions, parcel: Parcel) -> None:
    bad = parcel.event_ids[1]

    def compute(event: UUID) -> str:
        if event == bad:
            raise ValueError("no such thing")
        return str(event)

    with handling(running(database, parcel), ids(parcel)) as batch:
        batch.write(fulfilled, batch.compute(compute, batch.load(everything)))

    assert ended(database) == 3
    assert failures(database) == {bad: "ValueError: no such thing"}


def test_one_that_cannot_be_loaded_fails_alone(database: Sessions, parcel: Parcel) -> None:
    bad = parcel.event_ids[2]

    def load(session: Session, obligations: Collection[Obligation]) -> dict[Obligation, UUID]:
        if any(one.event_id == bad for one in obligations):
            raise KeyError("authors")
        return everything(session, obligations)

    with handling(running(database, parcel), ids(parcel)) as batch:
        batch.write(fulfilled, batch.compute(str, batch.load(load)))

    assert ended(database) == 3
    assert failures(database) == {bad: "KeyError: 'authors'"}


def test_one_that_the_database_refuses_fails_alone(database: Sessions, parcel: Parcel) -> None:
    bad = parcel.event_ids[3]

    def store(session: Session, results: Mapping[Obligation, Any]) -> dict[Obligation, Fate]:
        if any(one.event_id == bad for one in results):
            session.execute(text("SELECT 1 / 0"))
        return fulfilled(session, results)

    with handling(running(database, parcel), ids(parcel)) as batch:
        batch.write(store, batch.compute(str, batch.load(everything)))

    assert ended(database) == 3
    assert failures(database) == {bad: "DivisionByZero: division by zero"}


def test_an_error_of_the_database_tells_nothing_of_the_row(database: Sessions, parcel: Parcel) -> None:
    def store(session: Session, results: Mapping[Obligation, Any]) -> dict[Obligation, Fate]:
        session.execute(text("INSERT INTO label VALUES (:id, 'secret', 'secret', NULL)"), {"id": new_id()})
        return fulfilled(session, results)

    with handling(running(database, parcel), ids(parcel)) as batch:
        batch.write(store, batch.compute(str, batch.load(everything)))

    (error,) = set(failures(database).values())
    assert error is not None
    assert "null value in column" in error
    assert "secret" not in error


def test_one_that_somebody_else_has_locked_fails_alone_and_soon(
    database: Sessions, parcel: Parcel, postgres_url: str
) -> None:
    locked = parcel.event_ids[0]
    impatient = sessions(connect(postgres_url, lock_timeout_s=0.1), {})

    def store(session: Session, results: Mapping[Obligation, Any]) -> dict[Obligation, Fate]:
        for one in results:
            lock_article(session, one.event_id)
        return fulfilled(session, results)

    with database() as holder:
        lock_article(holder, locked)
        with handling(running(impatient, parcel), ids(parcel)) as batch:
            batch.write(store, batch.compute(str, batch.load(everything)))
        holder.rollback()
    impatient.kw["bind"].dispose()

    assert ended(database) == 3
    assert set(failures(database)) == {locked}


def lock_article(session: Session, identifier: UUID) -> None:
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": identifier.int & 0x7FFFFFFF})


def test_what_takes_too_long_is_handed_back_as_not_begun(
    database: Sessions, parcel: Parcel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_module, "COMPUTING_S", -1.0)

    with handling(running(database, parcel), ids(parcel)) as batch:
        batch.write(fulfilled, batch.compute(str, batch.load(everything)))

    with database() as session:
        left = session.execute(select(EventTaskRow.starts, EventTaskRow.token, EventTaskRow.failures)).all()
    assert ended(database) == 1
    assert left == [(0, None, 0)] * 3


def test_a_message_that_is_not_ours_any_more_does_nothing(database: Sessions, parcel: Parcel) -> None:
    seen: list[Obligation] = []
    with handling(running(database, parcel), ids(parcel)) as batch:
        batch.write(fulfilled, batch.compute(str, batch.load(everything)))

    with handling(running(database, parcel), ids(parcel)) as again:
        seen += again.obligations
        again.write(fulfilled, again.compute(str, again.load(everything)))

    assert seen == []
    assert ended(database) == 4


def test_a_token_that_was_lost_while_computing_writes_nothing(database: Sessions, parcel: Parcel) -> None:
    stored: list[Obligation] = []

    def store(session: Session, results: Mapping[Obligation, Any]) -> dict[Obligation, Fate]:
        stored.extend(results)
        return fulfilled(session, results)

    with handling(running(database, parcel), ids(parcel)) as batch:
        results = batch.compute(str, batch.load(everything))
        with database.begin() as session:
            session.execute(update(EventTaskRow).values(token=new_id(), started_at=None))
        batch.write(store, results)

    assert stored == []
    assert ended(database) == 0


def test_a_poisoned_obligation_is_stuck_after_its_last_try(database: Sessions, parcel: Parcel) -> None:
    with database.begin() as session:
        session.execute(update(EventTaskRow).values(failures=5))

    with handling(running(database, parcel), ids(parcel)) as batch:
        batch.write(fulfilled, batch.compute(int, batch.load(_words)))

    with database() as session:
        assert len(stuck(session)) == 4
    assert ended(database) == 0


def _words(_: Session, obligations: Collection[Obligation]) -> dict[Obligation, str]:
    return dict.fromkeys(obligations, "no number")


def states(database: Sessions) -> set[tuple[int, UUID | None, bool, int]]:
    """Return starts, token, whether it was put off, and failures of what is owed."""
    with database() as session:
        later = (EventTaskRow.due_at > func.now()).label("later")
        rows = session.execute(
            select(EventTaskRow.starts, EventTaskRow.token, later, EventTaskRow.failures)
        ).all()
        return {(row.starts, row.token, row.later, row.failures) for row in rows}


PUT_OFF = (0, None, True, 0)


def test_a_full_disk_while_loading_is_nobodys_failure(database: Sessions, parcel: Parcel) -> None:
    tried: list[int] = []

    def load(session: Session, obligations: Collection[Obligation]) -> dict[Obligation, UUID]:
        tried.append(len(obligations))
        session.execute(_REFUSE)
        return everything(session, obligations)

    task = running(database, parcel)
    with handling(task, ids(parcel)) as batch:
        batch.write(fulfilled, batch.compute(str, batch.load(load)))

    assert tried == [4]
    assert states(database) == {PUT_OFF}
    assert ended(database) == 0
    assert set(task.app.handled[0].fates.values()) == {None}


def test_what_could_not_be_loaded_and_not_be_handed_back_is_not_struck_off(
    database: Sessions, parcel: Parcel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(session: Session, *_: Any, **__: Any) -> None:
        session.execute(_REFUSE)

    def load(session: Session, _: Collection[Obligation]) -> dict[Obligation, UUID]:
        session.execute(_REFUSE)
        return {}

    with handling(running(database, parcel), ids(parcel)) as batch:
        with monkeypatch.context() as full:
            full.setattr(batch_module, "hand_back", refuse)
            loaded = batch.load(load)
        batch.write(fulfilled, batch.compute(str, loaded))

    # Their leases run out.
    assert states(database) == {(1, parcel.token, False, 0)}
    assert ended(database) == 0


def test_the_disk_fills_up_while_one_is_loaded_alone(database: Sessions, parcel: Parcel) -> None:
    bad = parcel.event_ids[2]

    def load(session: Session, obligations: Collection[Obligation]) -> dict[Obligation, UUID]:
        if len(obligations) > 1:
            raise KeyError("authors")
        if obligations[0].event_id == bad:  # type: ignore[index]  # a list of one
            session.execute(_REFUSE)
        return everything(session, obligations)

    with handling(running(database, parcel), ids(parcel)) as batch:
        batch.write(fulfilled, batch.compute(str, batch.load(load)))

    assert ended(database) == 3
    assert states(database) == {PUT_OFF}


@pytest.mark.parametrize("alone", [False, True], ids=["of all", "of one alone"])
def test_a_full_disk_while_writing_is_nobodys_failure(
    database: Sessions, parcel: Parcel, alone: bool
) -> None:
    bad = parcel.event_ids[1]

    def store(session: Session, results: Mapping[Obligation, Any]) -> dict[Obligation, Fate]:
        if alone and len(results) > 1:
            raise ValueError("one of them")
        if any(one.event_id == bad for one in results):
            session.execute(_REFUSE)
        return fulfilled(session, results)

    with handling(running(database, parcel), ids(parcel)) as batch:
        batch.write(store, batch.compute(str, batch.load(everything)))

    assert ended(database) == (3 if alone else 0)
    assert states(database) == {PUT_OFF}


def test_a_deadlock_of_all_is_gone_when_each_is_stored_alone(database: Sessions, parcel: Parcel) -> None:
    def store(session: Session, results: Mapping[Obligation, Any]) -> dict[Obligation, Fate]:
        if len(results) > 1:
            session.execute(text("DO $$ BEGIN RAISE 'x' USING ERRCODE = 'deadlock_detected'; END $$"))
        return fulfilled(session, results)

    with handling(running(database, parcel), ids(parcel)) as batch:
        batch.write(store, batch.compute(str, batch.load(everything)))

    assert (ended(database), failures(database)) == (4, {})


def test_a_database_that_cannot_be_reached_is_nobodys_failure(
    database: Sessions, parcel: Parcel, postgres_url: str
) -> None:
    engine = connect(postgres_url, pool_size=1)

    with handling(running(sessions(engine, {}), parcel), ids(parcel)) as batch:
        engine.dispose()
        with closed(postgres_url), pytest.raises(OperationalError):
            batch.load(asked_for)

    assert failures(database) == {}
    assert ended(database) == 0


def asked_for(session: Session, obligations: Collection[Obligation]) -> dict[Obligation, UUID]:
    session.execute(select(1))
    return everything(session, obligations)


@contextmanager
def closed(postgres_url: str) -> Iterator[None]:
    """Let nobody connect to the database any more, as a server that restarts does."""
    url = make_url(postgres_url)
    server = create_engine(url.set(database="template1"), isolation_level="AUTOCOMMIT")
    with closing(server.connect()) as connection:
        connection.execute(text(f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS false'))
        try:
            yield
        finally:
            connection.execute(text(f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS true'))
    server.dispose()
