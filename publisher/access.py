"""API keys: made, shown once, found again by their digest, revoked."""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from publisher.errors import InvalidInput, NotFound
from publisher.ids import new_id
from publisher.schema import ApiKeyRow
from publisher.text import clean_line

_PREFIX = "pub_"
_RANDOM_BYTES = 32
_LONGEST_NAME = 100
# Nothing longer can be a key of ours: it is not worth hashing.
_LONGEST_KEY = 200


class Scope(StrEnum):
    """What a key may do; `admin` may do everything."""

    ARTICLES_READ = "articles:read"
    ARTICLES_WRITE = "articles:write"
    ENDPOINTS_READ = "endpoints:read"
    ENDPOINTS_WRITE = "endpoints:write"
    FEEDS_READ = "feeds:read"
    FEEDS_WRITE = "feeds:write"
    ADMIN = "admin"


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A key as it is known after it was made: everything but the key itself."""

    id: UUID
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    revoked_at: datetime | None = None

    def allows(self, scope: Scope) -> bool:
        """Tell whether this key may do what the scope names."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


def create_key(session: Session, *, name: str, scopes: Iterable[str]) -> tuple[ApiKey, str]:
    """Store a new key; return what is known of it, and the key itself, which can never be read back.

    Raises:
        InvalidInput: when the name is empty or longer than 100 characters, or a scope is unknown or missing.
    """
    name = clean_line(name)
    if not 0 < len(name) <= _LONGEST_NAME:
        raise InvalidInput.of("/name", f"expected 1 to {_LONGEST_NAME} characters")
    plain = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    row = session.execute(
        insert(ApiKeyRow)
        .values(
            id=new_id(),
            name=name,
            scopes=sorted(parse_scopes(scopes)),
            digest=_digest(plain),
            created_at=func.now(),
        )
        .returning(ApiKeyRow)
    ).scalar_one()
    return _key(row), plain


def parse_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """Return the scopes of these names.

    Raises:
        InvalidInput: when one is unknown, or there is none.
    """
    expected = ", ".join(Scope)
    scopes = set()
    for name in names:
        try:
            scopes.add(Scope(name))
        except ValueError:
            raise InvalidInput.of("/scopes", f"{name!r} is unknown; expected {expected}") from None
    if not scopes:
        raise InvalidInput.of("/scopes", f"expected at least one of {expected}")
    return frozenset(scopes)


def list_keys(session: Session) -> list[ApiKey]:
    """Return every key, the newest first; revoked ones too."""
    return [_key(row) for row in session.scalars(select(ApiKeyRow).order_by(ApiKeyRow.id.desc()))]


def revoke_key(session: Session, key_id: UUID) -> ApiKey:
    """Make a key void; again: nothing changes.

    Raises:
        NotFound: when there is no such key.
    """
    row = session.execute(
        update(ApiKeyRow)
        .where(ApiKeyRow.id == key_id)
        .values(revoked_at=func.coalesce(ApiKeyRow.revoked_at, func.now()))
        .returning(ApiKeyRow)
    ).scalar_one_or_none()
    if row is None:
        raise NotFound(f"key {key_id}: is unknown")
    return _key(row)


def find_key(session: Session, plain: str) -> ApiKey | None:
    """Return the key, or None if it is unknown or revoked."""
    if len(plain) > _LONGEST_KEY:
        return None
    row = session.scalars(
        select(ApiKeyRow).where(ApiKeyRow.digest == _digest(plain), ApiKeyRow.revoked_at.is_(None))
    ).one_or_none()
    return _key(row) if row else None


def _digest(plain: str) -> bytes:
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).digest()


def _key(row: ApiKeyRow) -> ApiKey:
    # A scope that a newer version of the code has stored gives nothing here, and breaks nothing.
    known = {scope.value for scope in Scope}
    return ApiKey(
        id=row.id,
        name=row.name,
        scopes=frozenset(Scope(name) for name in row.scopes if name in known),
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )
