"""`Idempotency-Key`: the same request again gets the same answer, and is done once.

The claim is an advisory lock of the transaction that does the work: it ends with the work, whatever
becomes of the process, and no row can be left behind “in progress”.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Request, Response
from sqlalchemy import ARRAY, BigInteger, bindparam, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from publisher.access import ApiKey
from publisher.api.answer import Answer
from publisher.api.context import ApiContext
from publisher.api.json_body import read_body
from publisher.api.problems import Problem, Refused
from publisher.encrypted import answer_owner
from publisher.housekeeping import ANSWERS_KEPT
from publisher.schema import IdempotencyRow

_HEADER = "Idempotency-Key"
_VISIBLE_ASCII = re.compile(r"[!-~]{1,255}")
_TRY_LOCKS = text("SELECT lock FROM unnest(:locks) AS lock WHERE pg_try_advisory_xact_lock(lock)").bindparams(
    bindparam("locks", type_=ARRAY(BigInteger))
)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A request that must not be done twice.

    Attributes:
        digest: SHA-256 of method, path and body: what makes it the same request.
    """

    api_key_id: UUID
    key: str
    digest: bytes

    @property
    def lock(self) -> int:
        """The advisory lock of this key; the prefix keeps it apart from the locks of identities."""
        name = b"idempotency\0" + self.owner
        return int.from_bytes(hashlib.sha256(name).digest()[:8], "big", signed=True)

    @property
    def owner(self) -> bytes:
        """What the stored answer is encrypted for."""
        return answer_owner(self.api_key_id, self.key)


class Once:
    """Does the work of one request, or answers from memory."""

    def __init__(self, context: ApiContext, attempt: Attempt | None) -> None:
        self._context = context
        self.attempt = attempt

    def answer(self, work: Callable[[Session], Answer]) -> Response:
        """Run `work` in a transaction of its own, unless the same request was answered before.

        Raises:
            Refused: 409 when the first request is still in flight, 422 when it was another one.
        """
        with self._context.sessions.begin() as session:
            if self.attempt is None:
                return work(session).response()
            found = recall(session, self._context, [self.attempt])[0]
            if isinstance(found, Refused):
                raise found
            if found is not None:
                return found.response(replayed=True)
            answer = work(session)
            keep(session, self._context, [(self.attempt, answer)])
            return answer.response()


def idempotent(context: ApiContext, key: Any) -> Any:
    """Return the dependency that gives the `Once` of a request.

    Args:
        key: the dependency that gives its ApiKey, as `needs` makes it.

    Raises:
        Refused: 422 when the header is not 1 to 255 visible ASCII characters.
    """

    async def once(
        request: Request,
        api_key: Annotated[ApiKey, key],
        idempotency_key: Annotated[
            str | None,
            Header(description="Repeat a request safely: up to 255 visible ASCII characters, kept 24 hours."),
        ] = None,
    ) -> Once:
        given = request.headers.getlist(_HEADER)
        if not given:
            return Once(context, None)
        if len(given) > 1 or not _VISIBLE_ASCII.fullmatch(given[0]):
            raise _refused_header("expected once, with 1 to 255 visible ASCII characters")
        digest = _digest(request, await read_body(request))
        return Once(context, Attempt(api_key_id=api_key.id, key=given[0], digest=digest))

    return Depends(once)


def recall(
    session: Session, context: ApiContext, attempts: Sequence[Attempt]
) -> list[Answer | Refused | None]:
    """Claim each attempt until the transaction ends; return what is known of it already, in order.

    None: it is the first, so do it and `keep` its answer. An `Answer`: give it again.
    `Refused`: it is in flight elsewhere, or an earlier one of these, or its key belongs to another request.
    """
    wanted = sorted({attempt.lock for attempt in attempts})
    held = set(session.scalars(_TRY_LOCKS, {"locks": wanted}))
    # Only now, in a statement that begins after the locks are ours, is what others committed to be seen.
    rows = {
        (row.api_key_id, row.key): row
        for row in session.scalars(
            select(IdempotencyRow).where(
                tuple_(IdempotencyRow.api_key_id, IdempotencyRow.key).in_(
                    [(attempt.api_key_id, attempt.key) for attempt in attempts]
                ),
                IdempotencyRow.created_at > func.now() - ANSWERS_KEPT,
            )
        )
    }
    found: list[Answer | Refused | None] = []
    for attempt in attempts:
        row = rows.get((attempt.api_key_id, attempt.key))
        if attempt.lock not in held:
            found.append(_in_flight())
        elif row is None:
            # The next of these with the same key comes while this one is in flight.
            held.remove(attempt.lock)
            found.append(None)
        else:
            found.append(_stored(row, attempt, context))
    return found


def keep(session: Session, context: ApiContext, answers: Sequence[tuple[Attempt, Answer]]) -> None:
    """Store answers, in the transaction that did the work; they may show secrets, so encrypted."""
    if not answers:
        return
    statement = insert(IdempotencyRow).values(created_at=func.now())
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["api_key_id", "key"],
            set_={
                name: statement.excluded[name]
                for name in ("request_digest", "status", "headers", "encrypted_body", "created_at")
            },
        ),
        [
            {
                "api_key_id": attempt.api_key_id,
                "key": attempt.key,
                "request_digest": attempt.digest,
                "status": answer.status,
                "headers": dict(answer.headers),
                "encrypted_body": context.box.encrypt(answer.body, owner=attempt.owner),
            }
            for attempt, answer in sorted(answers, key=lambda one: one[0].owner)
        ],
    )


def _stored(row: IdempotencyRow, attempt: Attempt, context: ApiContext) -> Answer | Refused:
    if row.request_digest != attempt.digest:
        return _refused_header("was used for another request; expected a new key for a new request")
    body = context.box.decrypt(row.encrypted_body, owner=attempt.owner)
    return Answer(status=row.status, body=body, headers=row.headers)


def _in_flight() -> Refused:
    return Refused(
        Problem(
            status=409,
            detail=f"{_HEADER}: the first request with this key is still in flight, ask again",
            headers={"Retry-After": "1"},
        )
    )


def _refused_header(detail: str) -> Refused:
    error = {"header": _HEADER, "detail": detail}
    return Refused(Problem(status=422, detail=f"{_HEADER}: {detail}", errors=(error,)))


def _digest(request: Request, body: bytes) -> bytes:
    target = f"{request.method} {request.url.path}?{request.url.query}\n"
    return hashlib.sha256(target.encode() + body).digest()
