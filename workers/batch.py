"""Run one stage over one message: begin under its token, compute outside a transaction, write once.

The only place that catches whatever a stage raises: one article must not take its neighbours along.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import structlog
from celery import Task
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from publisher.database import Sessions
from publisher.hindrance import Hindrance, hindrance_of
from publisher.outbox.obligation import Done, Failed, Fate, Obligation
from publisher.outbox.work import begin, hand_back, hold, settle
from workers.handled import Handled

COMPUTING_S = 1.0
"""After this long the rest of a batch is handed back as not begun."""

_NOT_WRITABLE_PAUSE = timedelta(seconds=2)
_UNTOLD: Mapping[type, str] = {MemoryError: "it needs more memory than PUBLISHER_WORKER_MEMORY_MB allows"}
Loaded = TypeVar("Loaded")
Result = TypeVar("Result")
Loader = Callable[[Session, Collection[Obligation]], Mapping[Obligation, Loaded]]
Store = Callable[[Session, Mapping[Obligation, Result]], Mapping[Obligation, Fate]]
log = structlog.get_logger("publisher.step")


class Batch:
    """The obligations of one message that are ours.

    A stage calls `load`, `compute` and `write` in this order; `write` alone changes anything. Without
    obligations (the message came twice, or too late) each of them does nothing.

    Attributes:
        fates: what became of them, once it is committed; None: handed back, or to run out of their lease.
    """

    def __init__(self, sessions: Sessions, obligations: Collection[Obligation], token: UUID) -> None:
        self.obligations = list(obligations)
        self.fates: dict[Obligation, Fate | None] = {}
        self._sessions = sessions
        self._token = token
        self._failed: dict[Obligation, Failed] = {}
        self._unstarted: list[Obligation] = []

    def each(self) -> Mapping[Obligation, Obligation]:
        """Return the obligations themselves, for a stage that computes nothing."""
        return {one: one for one in self.obligations}

    def load(self, loader: Loader[Loaded]) -> Mapping[Obligation, Loaded]:
        """Read what the computing needs; what the loader leaves out needs none.

        When it raises, each obligation is loaded alone, so that the one which cannot be read fails alone.
        """
        try:
            return self._load(self.obligations, loader)
        except Exception as error:
            if self._put_off(self.obligations, error):
                return {}
        loaded: dict[Obligation, Loaded] = {}
        for one in self.obligations:
            try:
                loaded.update(self._load([one], loader))
            except Exception as error:
                self._fail(one, error)
        return loaded

    def compute(
        self, function: Callable[[Loaded], Result], loaded: Mapping[Obligation, Loaded]
    ) -> dict[Obligation, Result]:
        """Apply a pure function to each; one that raises fails alone, and time is bounded."""
        results: dict[Obligation, Result] = {}
        deadline = time.monotonic() + COMPUTING_S
        for one, value in loaded.items():
            if results and time.monotonic() > deadline:
                self._unstarted.append(one)
                continue
            try:
                results[one] = function(value)
            except Exception as error:
                self._fail(one, error)
        return results

    def write(self, store: Store[Result], results: Mapping[Obligation, Result]) -> None:
        """Store the results, and strike off the obligations, in one transaction.

        When it raises, each obligation is stored in a transaction of its own, so that the one which cannot
        be stored fails alone.
        """
        ours = [one for one in self.obligations if one not in self.fates]
        if not ours:
            return
        try:
            self._commit(ours, store, results)
        except Exception as error:
            if not self._put_off(ours, error):
                for one in ours:
                    self._write_alone(one, store, results)

    def _write_alone(
        self, one: Obligation, store: Store[Result], results: Mapping[Obligation, Result]
    ) -> None:
        try:
            self._commit([one], store, results)
        except Exception as error:
            self._fail(one, error)
            if one not in self.fates:
                self._commit([one], store, {})

    def _put_off(self, obligations: Collection[Obligation], error: Exception) -> bool:
        """Return whether they have to wait until the server writes again; they were handed back then.

        Raises:
            Exception: the error, when the server is away: the leases run out, and the work is sent again.
        """
        hindrance = hindrance_of(error)
        if hindrance is Hindrance.AWAY:
            raise error
        if hindrance is Hindrance.REFUSES_WRITES:
            self._wait_until_writable(obligations, error)
        return hindrance is Hindrance.REFUSES_WRITES

    def _wait_until_writable(self, obligations: Collection[Obligation], error: Exception) -> None:
        # No fault of the articles: not a failure, however long the disk is full. To take its row back, an
        # obligation needs no room, as a rule: its page has some left for that.
        log.warning("batch.not_writable", obligations=len(obligations), error=str(error).partition("\n")[0])
        try:
            with self._sessions.begin() as session:
                hand_back(session, hold(session, obligations, self._token), pause=_NOT_WRITABLE_PAUSE)
        except DBAPIError as refused:
            # A standby, or no room even for that: their leases run out, which counts once.
            log.warning("batch.not_handed_back", error=str(refused.orig).partition("\n")[0])
        self.fates |= dict.fromkeys(obligations)

    def _fail(self, one: Obligation, error: Exception) -> None:
        # Who is held up alone fails: the next try comes after a pause that grows.
        if self._put_off([one], error):
            return
        reason = error.orig if isinstance(error, DBAPIError) else error
        # The first line only: PostgreSQL shows the whole row in the next one.
        told = str(reason).partition("\n")[0] or _UNTOLD.get(type(reason), "it says no more")
        self._failed[one] = Failed(error=f"{type(reason).__name__}: {told}")

    def _load(
        self, obligations: Collection[Obligation], loader: Loader[Loaded]
    ) -> Mapping[Obligation, Loaded]:
        if not obligations:
            return {}
        with self._sessions.begin() as session:
            return loader(session, obligations)

    def _commit(
        self, obligations: Collection[Obligation], store: Store[Result], results: Mapping[Obligation, Result]
    ) -> None:
        with self._sessions.begin() as session:
            held = hold(session, obligations, self._token)
            unstarted = [one for one in held if one in self._unstarted]
            failed = {one: self._failed[one] for one in held if one in self._failed}
            stored = {one: results[one] for one in held if one in results and one not in failed}
            fates: dict[Obligation, Fate] = dict.fromkeys(
                (one for one in held if one not in unstarted), Done(outcome="nothing to do")
            )
            if stored:
                fates.update(store(session, stored))
            fates.update(failed)
            settle(session, fates)
            hand_back(session, unstarted)
        self.fates |= {**dict.fromkeys(unstarted), **fates}
        for one, fate in fates.items():
            _report(one, fate)


@contextmanager
def handling(task: Task, event_ids: Collection[str]) -> Iterator[Batch]:
    """Begin what this message's token was leased for, and tell in the end what came of it.

    Args:
        task: the running task; its id is the token.
    """
    token = UUID(task.request.id)
    sessions: Sessions = task.app.sessions
    with sessions.begin() as session:
        obligations = begin(session, task.name, [UUID(one) for one in event_ids], token)
    began = time.monotonic()
    batch = Batch(sessions, obligations, token)
    try:
        yield batch
    finally:
        took_s = time.monotonic() - began
        task.app.observe(
            Handled(task=task.name, obligations=batch.obligations, fates=batch.fates, took_s=took_s)
        )


def _report(one: Obligation, fate: Fate) -> None:
    fields = {"task": one.task, "event_id": str(one.event_id), "subject": str(one.subject)}
    if one.traceparent is not None:
        fields["traceparent"] = one.traceparent
    if isinstance(fate, Failed):
        log.warning("step.failed", **fields, failures=one.failures + 1, error=fate.error)
    else:
        log.info("step.ended", **fields, outcome=fate.outcome if isinstance(fate, Done) else "postponed")
