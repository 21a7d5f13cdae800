"""In which order work locks rows: by their keys, as all of it does, or it would wait in a circle."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from publisher.database import Sessions
from publisher.schema import DeliveryRow
from tests.databases import until_somebody_waits


def locks_by_id(
    sessions: Sessions,
    low: UUID,
    high: UUID,
    work: Callable[[Session], object],
    *,
    key: InstrumentedAttribute[UUID] = DeliveryRow.id,
) -> bool:
    """Do work in a transaction while somebody holds one row; return whether it left the later one alone.

    Args:
        low: the id of the one that is held.
        high: a greater id; the work changes both.
        key: what the ids are of.
    """

    def transact() -> None:
        with sessions.begin() as session:
            work(session)

    with ThreadPoolExecutor(1) as thread:
        with sessions.begin() as session:
            session.execute(_locking(key, low))
            working = thread.submit(transact)
            until_somebody_waits(sessions)
            free = session.scalar(_locking(key, high, skip_locked=True)) is not None
        working.result()
    return free


def _locking(
    key: InstrumentedAttribute[UUID], identifier: UUID, *, skip_locked: bool = False
) -> Select[UUID]:
    return select(key).where(key == identifier).with_for_update(skip_locked=skip_locked)
