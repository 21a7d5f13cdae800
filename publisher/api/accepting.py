"""Accept articles: those that arrive together are recorded together, in one transaction."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from fastapi import Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session

from publisher.api.answer import Answer
from publisher.api.article_out import Loaded, load_revisions, show_accepted
from publisher.api.context import ApiContext
from publisher.api.idempotency import Attempt, keep, recall
from publisher.api.problems import Refused, unavailable
from publisher.api.reporting import report_accepted
from publisher.api.together import store_together
from publisher.errors import PublisherError
from publisher.ingest.decision import Outcome
from publisher.ingest.record import Recorded, record_all
from publisher.ingest.submission import Submission

_MOST_TOGETHER = 32
# Who came in company is soon in company again: with 16 clients this spares a fifth of the time (measured).
# Who comes alone does not wait.
_GATHER_S = 0.004
# One transaction at a time is best (two at once cost a quarter more: measured), unless it hangs: one that
# waits for somebody's lock must not keep everybody waiting.
_HANGS_AFTER_S = 0.5
_MOST_TRANSACTIONS = 4
# Less than `Patience` grants, the transaction included: who is refused here knows that nothing was stored.
_LONGEST_WAIT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A submission that waits for its answer; `attempt` if it carries an Idempotency-Key."""

    submission: Submission
    attempt: Attempt | None = None


@dataclass(frozen=True, kw_only=True)
class _Stored:
    """An answer, and what it tells of; None when it told so before."""

    response: Response
    recorded: Recorded | None


Result = Response | Exception
_Waiting = tuple[Arrival, asyncio.Future[Response]]


class AcceptQueue:
    """Groups arrivals: while some are being written, the next ones gather.

    A transaction costs nearly the same for one article as for many, so this is what makes the API fast
    under load; on a quiet system an arrival is written at once, alone.
    """

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._waiting: deque[_Waiting] = deque()
        self._writers = 0
        self._hanging = 0
        self._company = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self, arrival: Arrival) -> Response:
        """Return the answer, once the article and its event are committed.

        Raises:
            PublisherError, SQLAlchemyError: when it was refused, or could not be stored.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Response] = loop.create_future()
        waiting = (arrival, future)
        self._waiting.append(waiting)
        self._see_to_it()
        timer = loop.call_later(_LONGEST_WAIT_S, self._send_away, waiting)
        try:
            return await future
        finally:
            timer.cancel()

    def _send_away(self, waiting: _Waiting) -> None:
        if waiting in self._waiting and not waiting[1].done():
            self._waiting.remove(waiting)
            detail = "too many articles are waiting to be stored; this one was not, try again"
            waiting[1].set_exception(Refused(unavailable(detail)))

    def _see_to_it(self) -> None:
        # Who hangs is not counted on; who does not takes all that waits, one transaction after the other.
        if self._waiting and self._writers == self._hanging < _MOST_TRANSACTIONS:
            self._writers += 1
            task = asyncio.create_task(self._write())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _write(self) -> None:
        try:
            while self._waiting:
                await self._write_some()
        finally:
            # In the same step as the last look at what waits: nobody can arrive in between.
            self._writers -= 1

    async def _write_some(self) -> None:
        if max(self._company, len(self._waiting)) > 1:
            await asyncio.sleep(_GATHER_S)
        together = [self._waiting.popleft() for _ in range(min(_MOST_TOGETHER, len(self._waiting)))]
        self._company = len(together)
        arrivals = [arrival for arrival, _ in together]
        storing = asyncio.ensure_future(run_in_threadpool(accept_all, self._context, arrivals))
        stored, _ = await asyncio.wait({storing}, timeout=_HANGS_AFTER_S)
        if not stored:
            self._hanging += 1
            self._see_to_it()
            await asyncio.wait({storing})
            self._hanging -= 1
        try:
            results = storing.result()
        except Exception as error:  # a bug; nobody is left without an answer for that
            results = [error] * len(together)
        _tell(together, results)


def _tell(together: Sequence[_Waiting], results: Sequence[Result]) -> None:
    for (_, future), result in zip(together, results, strict=True):
        if future.done():  # the client went away
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)


def accept_all(context: ApiContext, arrivals: Sequence[Arrival]) -> Sequence[Result]:
    """Store what arrived together; return a result each, in order. None harms another."""

    def accept(session: Session, some: Sequence[Arrival]) -> list[_Stored | Exception]:
        return _accept(session, context, some)

    stored = store_together(context.sessions, arrivals, accept)
    for arrival, one in zip(arrivals, stored, strict=True):
        if isinstance(one, _Stored) and one.recorded:
            report_accepted(context, one.recorded, traceparent=arrival.submission.traceparent)
    return [one.response if isinstance(one, _Stored) else one for one in stored]


def _accept(session: Session, context: ApiContext, arrivals: Sequence[Arrival]) -> list[_Stored | Exception]:
    results: dict[int, _Stored | Exception] = _recalled(session, context, arrivals)
    new = [i for i in range(len(arrivals)) if i not in results]
    outcomes = record_all(
        session, [arrivals[i].submission for i in new], tag_domain=context.settings.ids_domain
    )
    recorded = {i: one for i, one in zip(new, outcomes, strict=True) if isinstance(one, Recorded)}
    results |= {i: one for i, one in zip(new, outcomes, strict=True) if isinstance(one, PublisherError)}
    revisions = load_revisions(session, {(one.article_id, one.sequence) for one in recorded.values()})
    answers = {i: _answer(context, arrivals[i], one, revisions) for i, one in recorded.items()}
    kept = [(attempt, answers[i]) for i in answers if (attempt := arrivals[i].attempt)]
    keep(session, context, kept)
    results |= {i: _Stored(response=one.response(), recorded=recorded[i]) for i, one in answers.items()}
    return [results[i] for i in range(len(arrivals))]


def _recalled(
    session: Session, context: ApiContext, arrivals: Sequence[Arrival]
) -> dict[int, _Stored | Exception]:
    attempts = {i: one.attempt for i, one in enumerate(arrivals) if one.attempt}
    if not attempts:
        return {}
    found = zip(attempts, recall(session, context, list(attempts.values())), strict=True)
    return {
        i: _Stored(response=one.response(replayed=True), recorded=None) if isinstance(one, Answer) else one
        for i, one in found
        if one is not None
    }


def _answer(
    context: ApiContext, arrival: Arrival, recorded: Recorded, revisions: dict[tuple[UUID, int], Loaded]
) -> Answer:
    shown = show_accepted(
        revisions[recorded.article_id, recorded.sequence],
        context.settings.base_url,
        outcome=recorded.outcome,
        warnings=arrival.submission.warnings,
    )
    status = 201 if recorded.outcome is Outcome.CREATED else 200
    return Answer.of(status, shown, location=f"/v1/articles/{recorded.article_id}")
