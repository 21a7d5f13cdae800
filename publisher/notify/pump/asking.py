"""How an event loop asks the database: one question at a time, in a thread, and again if hindered."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.orm import Session

from publisher.database import Sessions
from publisher.hindrance import hindrance_of

AFTER_ERROR_S = 0.5
"""How long a step that was hindered waits before the next."""

log = structlog.get_logger("publisher.pump")
Result = TypeVar("Result")


class Asking:
    """The database, as a loop sees it that never waits for it: a thread, and one question at a time."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pump-database")

    async def ask(self, question: Callable[[Session], Result]) -> Result:
        """Return the answer, from a transaction of its own."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, question)

    def end(self) -> None:
        """Let the thread end when it has answered."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _transact(self, question: Callable[[Session], Result]) -> Result:
        with self._sessions.begin() as session:
            return question(session)


async def unhindered(
    step: Callable[[], Awaitable[Result]], *, pause_s: float = AFTER_ERROR_S
) -> Result | None:
    """Return what the step returns, or None, after a pause, if something was in the way that passes.

    Raises:
        DBAPIError: when it is the step's own fault.
    """
    try:
        return await step()
    except (DBAPIError, NoConnection) as error:
        if hindrance_of(error) is None:
            raise
        log.warning("pump.hindered", error=f"{type(error).__name__}: {error}".partition("\n")[0])
        await asyncio.sleep(pause_s)
        return None
