"""One transaction for many, so that none of them suffers from another."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.orm import Session

from publisher.database import Sessions
from publisher.hindrance import Hindrance, hindrance_of

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
# Who waits for somebody's lock has waited once already, together with the others.
_WAIT_BRIEFLY = text("SET LOCAL lock_timeout = '500ms'")
_PATIENCE_S = 4.0


def store_together(
    sessions: Sessions,
    items: Sequence[_Item],
    work: Callable[[Session, Sequence[_Item]], Sequence[_Result]],
) -> Sequence[_Result | Exception]:
    """Return a result an item, in order: of one transaction, or if that fails of one for each.

    An exception is the result of the item that raised it; of all of them, when the database is away. When one
    after the other is held up, the last ones are not even tried: theirs is the exception of one before.
    """
    try:
        with sessions.begin() as session:
            return work(session, items)
    except Exception as error:  # whatever it is, it becomes the answer of those whom it concerns
        if len(items) == 1 or hindrance_of(error) is Hindrance.AWAY:
            return [error] * len(items)
    return _store_each(sessions, items, work)


def _store_each(
    sessions: Sessions,
    items: Sequence[_Item],
    work: Callable[[Session, Sequence[_Item]], Sequence[_Result]],
) -> Sequence[_Result | Exception]:
    results: list[_Result | Exception] = []
    hindrance: Exception | None = None
    tries_until = time.monotonic() + _PATIENCE_S
    for item in items:
        if hindrance is not None and time.monotonic() > tries_until:
            results.append(hindrance)
            continue
        try:
            with sessions.begin() as session:
                session.execute(_WAIT_BRIEFLY)
                stored = work(session, [item])
            results += stored
        except Exception as error:
            results.append(error)
            if hindrance_of(error) is not None:
                hindrance = error
    return results
