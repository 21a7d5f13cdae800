"""Tokens of private feeds, looked up in the record each time; those that come together in one statement."""

import asyncio
from collections.abc import Collection, Mapping

from feeds.standing import Standing, find_private_standings
from publisher.database import Sessions

Found = Standing | None


class TokenLookups:
    """Answers from what the record holds after it was asked; for one event loop."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._waiting: dict[str, asyncio.Future[Found]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def standing(self, token: str) -> Found:
        """Return how far the feed of a token has come, or None if the token is none, or void by now.

        Raises:
            SQLAlchemyError: when the record cannot be asked.
        """
        if token not in self._waiting:
            self._waiting[token] = asyncio.get_running_loop().create_future()
        answer = self._waiting[token]
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        # Whoever leaves takes nothing from others who wait for the same.
        return await asyncio.shield(answer)

    async def _look(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, {}
            try:
                found = await asyncio.to_thread(self._find, list(waiting))
            except Exception as error:  # it is theirs who wait
                for answer in waiting.values():
                    answer.set_exception(error)
                    answer.exception()  # nobody need be there any more
            else:
                for token, answer in waiting.items():
                    answer.set_result(found.get(token))

    def _find(self, tokens: Collection[str]) -> Mapping[str, Standing]:
        with self._sessions.begin() as session:
            return find_private_standings(session, tokens)
