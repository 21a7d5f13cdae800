"""Whole days that are old: their partitions are taken out of the tables, and dropped."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, text

from publisher.briefly import Hindered, briefly
from publisher.partitions import Partition, detach, drop, partitions

# A state at a time: then it is seen that a partial index has it.
_OWED = text("""
SELECT message_time FROM delivery WHERE state = 'pending' AND message_time >= :first AND message_time < :last
UNION
SELECT message_time FROM delivery WHERE state = 'held' AND message_time >= :first AND message_time < :last
""")


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
    with briefly(connection, partition.name):
        detach(connection, partition)
        # Somebody may have replayed it since we looked. Whoever reads messages now waits for us.
        if owed_days(connection, [partition]):
            raise Hindered(f"{partition.name}: is owed to somebody again")


def drop_leftover(connection: Connection, days: Collection[Partition]) -> Partition | None:
    """Drop one partition that was taken out; return it, or None if there was none."""
    leftover = next((one for one in days if not one.attached), None)
    if leftover is not None:
        drop(connection, leftover)
    return leftover
