"""Private feeds: made for one reader, whose token is shown once, rotated, revoked."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from publisher.errors import InvalidInput, NotFound
from publisher.ids import new_id
from publisher.labels import LabelKind
from publisher.notify.websub.ending import deny
from publisher.schema import LabelRow, PrivateFeedRow
from publisher.text import clean_line

TOKEN_PREFIX = "prv_"
"""So that whoever finds a token knows what it is: scanners for leaked secrets look for such."""

_RANDOM_BYTES = 32
_LONGEST_NAME = 100
_SLUG = re.compile("[a-z0-9-]{1,200}")
_EXPECTED = "expected all, or a kind and a slug as in /feeds/<kind>/<slug>.atom, of a feed that there is"


@dataclass(frozen=True, kw_only=True)
class PrivateFeed:
    """A private feed as it is known after it was made: everything but its token.

    Attributes:
        feed: what it shows, as `all` or `category/xa-hoi`.
    """

    id: UUID
    name: str
    feed: str
    created_at: datetime
    rotated_at: datetime | None = None
    revoked_at: datetime | None = None


def create_private_feed(
    session: Session, *, name: str, feed: str, owner: UUID | None = None
) -> tuple[PrivateFeed, str]:
    """Store a new private feed; return what is known of it, and its token, which can never be read back.

    Args:
        feed: `all`, or `<kind>/<slug>`.

    Raises:
        InvalidInput: when the name is empty or longer than 100 characters, or there is no such feed.
    """
    name = clean_line(name)
    if not 0 < len(name) <= _LONGEST_NAME:
        raise InvalidInput.of("/name", f"expected 1 to {_LONGEST_NAME} characters")
    token = new_token()
    identifier = new_id()
    session.execute(
        insert(PrivateFeedRow).values(
            id=identifier,
            name=name,
            label_id=_label_of(session, feed),
            digest=digest_of(token),
            owner=owner,
            created_at=func.now(),
        )
    )
    return read_private_feed(session, identifier), token


def read_private_feed(session: Session, identifier: UUID) -> PrivateFeed:
    """Return a private feed, a revoked one as well.

    Raises:
        NotFound: when there is none.
    """
    row = session.execute(_KNOWN.where(PrivateFeedRow.id == identifier)).one_or_none()
    if row is None:
        raise NotFound(f"private feed {identifier}: does not exist")
    return _shown(row.PrivateFeedRow, row.LabelRow)


def newest_private_feeds(session: Session, *, limit: int, before: UUID | None = None) -> list[PrivateFeed]:
    """Return private feeds, the newest first, from before a given one on."""
    rows = _KNOWN.order_by(PrivateFeedRow.id.desc()).limit(limit)
    if before is not None:
        rows = rows.where(PrivateFeedRow.id < before)
    return [_shown(row.PrivateFeedRow, row.LabelRow) for row in session.execute(rows)]


def rotate_token(session: Session, identifier: UUID) -> tuple[PrivateFeed, str]:
    """Replace the token: the old one is void with the commit. Return the feed and the new token.

    Who was sent the feed under the old one is told that this is over.

    Raises:
        NotFound: when there is no such private feed, or it was revoked.
    """
    row = _locked(session, identifier)
    if row is None or row.revoked_at is not None:
        raise NotFound(f"private feed {identifier}: does not exist, or was revoked")
    deny(session, row.digest, reason="the address of this feed was replaced")
    token = new_token()
    row.digest, row.rotated_at = digest_of(token), func.now()
    session.flush()
    return read_private_feed(session, identifier), token


def revoke_private_feed(session: Session, identifier: UUID) -> PrivateFeed:
    """Make the token void with the commit; again: nothing changes.

    Raises:
        NotFound: when there is no such private feed.
    """
    row = _locked(session, identifier)
    if row is not None and row.revoked_at is None:
        deny(session, row.digest, reason="this feed was revoked")
        row.revoked_at = func.now()
        session.flush()
    return read_private_feed(session, identifier)


def new_token() -> str:
    """Return what nobody guesses."""
    return TOKEN_PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def digest_of(token: str) -> bytes:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _locked(session: Session, identifier: UUID) -> PrivateFeedRow | None:
    chosen = select(PrivateFeedRow).where(PrivateFeedRow.id == identifier).with_for_update()
    return session.scalar(chosen.execution_options(populate_existing=True))


_KNOWN = select(PrivateFeedRow, LabelRow).join(LabelRow, LabelRow.id == PrivateFeedRow.label_id)


def _label_of(session: Session, feed: str) -> UUID:
    kind, _, slug = feed.partition("/")
    if kind == LabelKind.ALL and not slug:
        slug = "all"
    label_id = None
    if kind in list(LabelKind) and _SLUG.fullmatch(slug):
        label_id = session.scalar(select(LabelRow.id).where(LabelRow.kind == kind, LabelRow.slug == slug))
    if label_id is None:
        raise InvalidInput.of("/feed", f"{feed[:100]!r} is unknown; {_EXPECTED}")
    return label_id


def _shown(row: PrivateFeedRow, label: LabelRow) -> PrivateFeed:
    return PrivateFeed(
        id=row.id,
        name=row.name,
        feed="all" if label.kind == LabelKind.ALL else f"{label.kind}/{label.slug}",
        created_at=row.created_at,
        rotated_at=row.rotated_at,
        revoked_at=row.revoked_at,
    )
