"""Tokens of private feeds, looked up in the record each time; those that come together in one statement."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from itertools import chain

from feeds.standing import Standing, find_private_standings
from publisher.database import Sessions

Found = Standing | None
# Where several have come together, more are on their way: worth a pause, since a look costs as much as ten
# answers, whatever it looks for.
_GATHERING_S = 0.002


class TokenLookups:
    """Answers from what the record holds after it was asked; for one event loop."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._waiting: dict[str, list[asyncio.Future[Found]]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def standing(self, token: str) -> Found:
        """Return how far the feed of a token has come, or None if the token is none, or void by now.

        Raises:
            SQLAlchemyError: when the record cannot be asked.
        """
        # One each, since whoever leaves must take nothing from others who wait for the same.
        answer: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(token, []).append(answer)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return await answer

    async def _look(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, {}
            try:
                found = await asyncio.to_thread(self._find, list(waiting))
            except Exception as error:  # it is theirs who wait
                for answer in _still(chain.from_iterable(waiting.values())):
                    answer.set_exception(error)
            else:
                for token, answers in waiting.items():
                    for answer in _still(answers):
                        answer.set_result(found.get(token))
            if len(waiting) > 1:
                await asyncio.sleep(_GATHERING_S)

    def _find(self, tokens: Collection[str]) -> Mapping[str, Standing]:
        with self._sessions.begin() as session:
            return find_private_standings(session, tokens)


def _still(answers: Iterable[asyncio.Future[Found]]) -> list[asyncio.Future[Found]]:
    """Return those of who has not left."""
    return [answer for answer in answers if not answer.done()]
