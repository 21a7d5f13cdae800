"""Whole days that are old: their partitions are taken out of the tables, and dropped."""

from datetime import datetime

from sqlalchemy import Connection, text

from publisher.briefly import LONGEST_STATEMENT, Hindered, briefly
from publisher.partitions import Partition, detach, drop, partitions

# A state at a time: then it is seen that a partial index has it.
_OWED = text("""
SELECT EXISTS (
    SELECT FROM delivery WHERE state = 'pending' AND message_time >= :first AND message_time < :last
) OR EXISTS (
    SELECT FROM delivery WHERE state = 'held' AND message_time >= :first AND message_time < :last
)
""")


def old_days(connection: Connection, *, before: datetime) -> list[Partition]:
    """Return the partitions of days that are over before an instant."""
    return [one for one in partitions(connection) if one.ends_at <= before]


def is_owed(connection: Connection, day: Partition) -> bool:
    """Return whether some of its messages are still to be delivered, or held."""
    bounds = {"first": day.begins_at, "last": day.ends_at}
    return day.table == "message" and connection.execute(_OWED, bounds).scalar_one()


def let_go(connection: Connection, day: Partition) -> bool:
    """Take a day out of its table, or drop it when it was taken out before; False: it is owed to somebody.

    End the transaction at once.

    Raises:
        Hindered: when it is not possible at once; nothing was changed.
    """
    if not day.attached:
        with briefly(connection, day.name, statement_timeout=LONGEST_STATEMENT):
            drop(connection, day)
        return True
    with briefly(connection, day.name, statement_timeout=LONGEST_STATEMENT):
        if is_owed(connection, day):
            return False
    _take_out(connection, day)
    return True


def _take_out(connection: Connection, day: Partition) -> None:
    with briefly(connection, day.name):
        detach(connection, day)
        # Somebody may have replayed it since we looked. Whoever reads messages now waits for us.
        if is_owed(connection, day):
            raise Hindered(f"{day.name}: is owed to somebody again")
