"""Everything that is stored encrypted: four columns, and for whom each of their rows was encrypted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from publisher.housekeeping import ANSWERS_KEPT
from publisher.schema import EndpointSecretRow, IdempotencyRow, TopicRow, VerificationRow


@dataclass(frozen=True, kw_only=True)
class Encrypted:
    """A column of what is stored encrypted.

    Attributes:
        name: the table's.
        key: the primary key, in whose order the table is gone through.
        column: what is encrypted; unset for some rows.
        owner_id: of whom or what the row is.
        owner: what a row was encrypted for; takes the row's key and `owner_id`.
        live: what else there is nobody decrypts again.
        together: rows of a slice; few where they may be as large as an article.
    """

    name: str
    key: Sequence[InstrumentedAttribute[Any]]
    column: InstrumentedAttribute[Any]
    owner_id: InstrumentedAttribute[UUID]
    owner: Callable[[Row[Any]], bytes] = lambda row: bytes(row.owner_id.bytes)
    live: ColumnElement[bool] | None = None
    together: int = 500

    def rows(self) -> Select[Any]:
        """Return what selects the rows that count: their key, `owner_id` and `stored`."""
        columns = (*self.key, self.owner_id.label("owner_id"), self.column.label("stored"))
        chosen = select(*columns).where(self.column.is_not(None)).order_by(*self.key)
        return chosen if self.live is None else chosen.where(self.live)


def answer_owner(api_key_id: UUID, key: str) -> bytes:
    """Return what the answer to a request with an `Idempotency-Key` is encrypted for."""
    return api_key_id.bytes + key.encode()


VERIFICATIONS = Encrypted(
    name="verification",
    key=(VerificationRow.id,),
    column=VerificationRow.secret,
    owner_id=VerificationRow.endpoint_id,
)
SECRETS = Encrypted(
    name="endpoint_secret",
    key=(EndpointSecretRow.id,),
    column=EndpointSecretRow.encrypted,
    owner_id=EndpointSecretRow.endpoint_id,
    live=or_(EndpointSecretRow.expires_at.is_(None), EndpointSecretRow.expires_at > func.now()),
)
TOKENS = Encrypted(name="topic", key=(TopicRow.id,), column=TopicRow.token, owner_id=TopicRow.id)
ANSWERS = Encrypted(
    name="idempotency",
    key=(IdempotencyRow.api_key_id, IdempotencyRow.key),
    column=IdempotencyRow.encrypted_body,
    owner_id=IdempotencyRow.api_key_id,
    owner=lambda row: answer_owner(row.owner_id, row.key),
    live=IdempotencyRow.created_at > func.now() - ANSWERS_KEPT,
    together=20,
)
LASTING = (VERIFICATIONS, SECRETS, TOKENS)
"""What is needed for longer than a day. Verifications come first: once confirmed, they become secrets."""

EVERYTHING = (*LASTING, ANSWERS)
