"""Change a table under a lock that stops everybody: at once, or not at all."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from psycopg.errors import LockNotAvailable, QueryCanceled
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

LOCK_TIMEOUT = timedelta(milliseconds=100)
"""How long everybody else may have to wait behind one try."""

_BRIEFLY = {
    "lock_timeout": f"{LOCK_TIMEOUT // timedelta(milliseconds=1)}ms",
    "statement_timeout": f"{2 * LOCK_TIMEOUT // timedelta(milliseconds=1)}ms",
}
_SETTING = text("SELECT current_setting(:name)")
_SET = text("SELECT set_config(:name, :value, true)")


class Hindered(Exception):
    """Somebody uses the table all the time, or it is not known soon enough what is owed; try again later."""


@contextmanager
def briefly(connection: Connection, what: str) -> Iterator[None]:
    """Wait for nothing longer than a moment inside the block; end the transaction soon after it.

    Args:
        what: is being changed, for the error.

    Raises:
        Hindered: when it is not possible at once; nothing of the block was done.
    """
    try:
        with connection.begin_nested():
            before = {name: connection.scalar(_SETTING, {"name": name}) for name in _BRIEFLY}
            _set(connection, _BRIEFLY)
            yield
            _set(connection, before)
    except DBAPIError as error:
        if isinstance(error.orig, (LockNotAvailable, QueryCanceled)):
            raise Hindered(f"{what}: {str(error.orig).strip()}") from error
        raise


def _set(connection: Connection, settings: Mapping[str, str | None]) -> None:
    for name, value in settings.items():
        connection.execute(_SET, {"name": name, "value": value})
