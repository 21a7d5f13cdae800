"""Tables of the API's own: keys, and answers that are kept for repeated requests."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from publisher.schema.row import Row


class ApiKeyRow(Row):
    """A key with its scopes; the key itself is stored nowhere.

    Attributes:
        digest: SHA-256 of the key. A fast hash is enough: the key is 256 random bits, no password.
    """

    __tablename__ = "api_key"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    scopes: Mapped[list[str]]
    digest: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class IdempotencyRow(Row):
    """The answer to a request with an `Idempotency-Key`, encrypted, since it may show a secret."""

    __tablename__ = "idempotency"
    __table_args__ = (Index("idempotency_created", "created_at"),)

    api_key_id: Mapped[UUID] = mapped_column(ForeignKey("api_key.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_digest: Mapped[bytes]
    status: Mapped[int] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, Any]]
    encrypted_body: Mapped[bytes]
    created_at: Mapped[datetime]
