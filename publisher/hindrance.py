"""What keeps the database from doing what it was asked, when that is no fault of what it was asked."""

from enum import StrEnum, auto

from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

# SQLSTATE, or the beginnings of one.
_REFUSING = ("53100", "25006")  # disk_full, read_only_sql_transaction
_PARTING = (
    "08",  # connection_exception
    "25P03",  # idle_in_transaction_session_timeout
    "25P04",  # transaction_timeout
    "57P",  # admin_shutdown, crash_shutdown and others that end a connection
)
_HOLDING_UP = (
    "40",  # serialization_failure, deadlock_detected
    "53",  # what else is short: memory, connections
    "55P03",  # lock_not_available
    "57014",  # query_canceled, by a timeout as a rule
    "58",  # the system under the server
)


class Hindrance(StrEnum):
    """Why it was not done; all of them pass.

    Attributes:
        AWAY: the server could not be reached, or went away: nobody gets anything done.
        REFUSES_WRITES: it has no room for what it was to write, or is a standby now.
        HELD_UP: somebody's lock, a deadlock, a server that is short of something: others may get on.
    """

    AWAY = auto()
    REFUSES_WRITES = auto()
    HELD_UP = auto()


def hindrance_of(error: Exception) -> Hindrance | None:
    """Return what was in the way, or None: then it is the fault of what was asked."""
    if isinstance(error, NoConnection):
        return Hindrance.AWAY
    # A value that Python cannot hold, such as the date 'infinity', is met while rows are read: no statement.
    if not isinstance(error, DBAPIError) or isinstance(error, DataError):
        return None
    state = str(getattr(error.orig, "sqlstate", ""))
    if state in _REFUSING:
        return Hindrance.REFUSES_WRITES
    # Without a statement it failed to connect, or to commit.
    if error.connection_invalidated or error.statement is None or state.startswith(_PARTING):
        return Hindrance.AWAY
    return Hindrance.HELD_UP if state.startswith(_HOLDING_UP) else None
