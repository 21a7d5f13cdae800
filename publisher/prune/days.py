"""Whole days that are old: their partitions are taken out of the tables, and dropped."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

from psycopg.errors import LockNotAvailable, QueryCanceled
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from publisher.partitions import Partition, detach, drop, partitions

LOCK_TIMEOUT = timedelta(milliseconds=100)
"""How long everybody else may have to wait behind one try to take a partition out."""

# The lock that a partition is taken out under stops the whole table, and is waited for behind everybody.
_BRIEFLY = {
    "lock_timeout": f"{LOCK_TIMEOUT // timedelta(milliseconds=1)}ms",
    "statement_timeout": f"{2 * LOCK_TIMEOUT // timedelta(milliseconds=1)}ms",
}
_SETTING = text("SELECT current_setting(:name)")
_SET = text("SELECT set_config(:name, :value, true)")
# A state at a time: then it is seen that a partial index has it.
_OWED = text("""
SELECT message_time FROM delivery WHERE state = 'pending' AND message_time >= :first AND message_time < :last
UNION
SELECT message_time FROM delivery WHERE state = 'held' AND message_time >= :first AND message_time < :last
""")


class Hindered(Exception):
    """Somebody uses the table all the time, or it is not known soon enough what is owed; try again later."""


def old_days(connection: Connection, *, before: datetime) -> list[Partition]:
    """Return the partitions of days that are over before an instant."""
    return [one for one in partitions(connection) if one.ends_at <= before]


def owed_days(connection: Connection, days: Collection[Partition]) -> set[Partition]:
    """Return those partitions of messages of which some are still to be delivered, or held."""
    messages = [one for one in days if one.table == "message"]
    if not messages:
        return set()
    bounds = {"first": min(one.begins_at for one in messages), "last": max(one.ends_at for one in messages)}
    times = set(connection.scalars(_OWED, bounds))
    return {one for one in messages if any(one.begins_at <= time < one.ends_at for time in times)}


def take_out(connection: Connection, partition: Partition) -> None:
    """Take a partition out of its table, if that is possible at once; end the transaction at once, too.

    Raises:
        Hindered: when it is not; nothing was changed.
    """
    try:
        with connection.begin_nested(), _briefly(connection):
            detach(connection, partition)
            # Somebody may have replayed it since we looked. Whoever reads messages now waits for us.
            if owed_days(connection, [partition]):
                raise Hindered(f"{partition.name}: is owed to somebody again")
    except DBAPIError as error:
        if isinstance(error.orig, (LockNotAvailable, QueryCanceled)):
            raise Hindered(f"{partition.name}: {str(error.orig).strip()}") from error
        raise


def drop_leftover(connection: Connection, days: Collection[Partition]) -> Partition | None:
    """Drop one partition that was taken out; return it, or None if there was none."""
    leftover = next((one for one in days if not one.attached), None)
    if leftover is not None:
        drop(connection, leftover)
    return leftover


@contextmanager
def _briefly(connection: Connection) -> Iterator[None]:
    """Wait for nothing longer than a moment inside the block; what raises has to roll back."""
    before = {name: connection.scalar(_SETTING, {"name": name}) for name in _BRIEFLY}
    _set(connection, _BRIEFLY)
    yield
    _set(connection, before)


def _set(connection: Connection, settings: Mapping[str, str | None]) -> None:
    for name, value in settings.items():
        connection.execute(_SET, {"name": name, "value": value})
