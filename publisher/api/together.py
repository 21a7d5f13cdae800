"""One transaction for many, so that none of them suffers from another."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from publisher.database import Sessions

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def store_together(
    sessions: Sessions,
    items: Sequence[_Item],
    work: Callable[[Session, Sequence[_Item]], Sequence[_Result]],
) -> Sequence[_Result | Exception]:
    """Return a result an item, in order: of one transaction, or if that fails of one for each.

    An exception is the result of the item that raised it; of all of them, when the database is away.
    """
    try:
        with sessions.begin() as session:
            return work(session, items)
    except Exception as error:  # whatever it is, it becomes the answer of those whom it concerns
        away = isinstance(error, PoolTimeout) or (
            isinstance(error, DBAPIError) and (error.connection_invalidated or error.statement is None)
        )
        if len(items) == 1 or away:
            return [error] * len(items)
    return [result for item in items for result in store_together(sessions, [item], work)]
