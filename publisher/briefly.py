"""Change a table under a lock that stops everybody: at once, or not at all."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from psycopg.errors import LockNotAvailable, QueryCanceled
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

LOCK_TIMEOUT = timedelta(milliseconds=100)
"""How long everybody else may have to wait behind one try."""

LONGEST_STATEMENT = timedelta(seconds=1)
"""How long a statement may take that stops nobody."""

_SETTING = text("SELECT current_setting(:name)")
_SET = text("SELECT set_config(:name, :value, true)")


class Hindered(Exception):
    """Somebody uses the table all the time, or it is not known soon enough what is owed; try again later."""


class TookTooLong(Hindered):
    """No lock was missing: a statement was not done in its time; less at once may be."""


@contextmanager
def briefly(
    connection: Connection, what: str, *, statement_timeout: timedelta = 2 * LOCK_TIMEOUT
) -> Iterator[None]:
    """Wait for nothing longer than a moment inside the block; end the transaction soon after it.

    Args:
        what: is being changed, for the error.
        statement_timeout: how long each statement may take; longer than this only when it stops nobody.

    Raises:
        Hindered: when it is not possible at once; nothing of the block was done.
        TookTooLong: the same, when it was the statement itself that took its time.
    """
    try:
        with connection.begin_nested():
            limits = {"lock_timeout": _ms(LOCK_TIMEOUT), "statement_timeout": _ms(statement_timeout)}
            before = {name: connection.scalar(_SETTING, {"name": name}) for name in limits}
            _set(connection, limits)
            yield
            _set(connection, before)
    except DBAPIError as error:
        reason = f"{what}: {str(error.orig).strip()}"
        if isinstance(error.orig, LockNotAvailable):
            raise Hindered(reason) from error
        if isinstance(error.orig, QueryCanceled):
            raise TookTooLong(reason) from error
        raise


def _ms(span: timedelta) -> str:
    return f"{span // timedelta(milliseconds=1)}ms"


def _set(connection: Connection, settings: Mapping[str, str | None]) -> None:
    for name, value in settings.items():
        connection.execute(_SET, {"name": name, "value": value})
