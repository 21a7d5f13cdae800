"""How far a feed has come: what is asked of the record before anything is read or made."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from feeds.address import Address
from feeds.catalog import PrivateAddress
from publisher.private_feeds import digest_of
from publisher.schema import FeedRow, LabelRow, PrivateFeedRow


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far a feed has come.

    Attributes:
        generation: grows with every change of what the feed, or any page of its archive, shows.
        changed_at: when it last did, by the database's clock, give or take a transaction.
        last_position: of what came into it last.
    """

    label_id: UUID
    kind: str
    term: str
    generation: int
    changed_at: datetime
    last_position: int


def find_standing(session: Session, address: Address) -> Standing | None:
    """Return how far the feed of an address has come, or None if there is no such feed or page.

    One indexed look-up.
    """
    found = session.execute(_query_of(address)).one_or_none()
    if found is None or (address.places and address.places.last > found.last_position):
        return None
    return Standing(**found._asdict())


def find_standings(session: Session, labels: Collection[UUID]) -> dict[UUID, Standing]:
    """Return how far the feeds of these labels have come."""
    rows = session.execute(_STANDING.where(FeedRow.label_id.in_(labels)))
    return {row.label_id: Standing(**row._asdict()) for row in rows}


def find_private_standings(session: Session, tokens: Collection[str]) -> dict[str, Standing]:
    """Return how far the feeds of these tokens have come; those that are void, or none, are left out."""
    digests = {digest_of(token): token for token in tokens}
    rows = session.execute(
        _PRIVATE_STANDING.add_columns(PrivateFeedRow.digest).where(PrivateFeedRow.digest.in_(digests))
    )
    standings = {row.digest: row._asdict() for row in rows}
    return {digests[standing.pop("digest")]: Standing(**standing) for standing in standings.values()}


_STANDING = select(
    FeedRow.label_id,
    LabelRow.kind,
    LabelRow.term,
    FeedRow.generation,
    FeedRow.changed_at,
    FeedRow.last_position,
).join(LabelRow, LabelRow.id == FeedRow.label_id)
_PRIVATE_STANDING = _STANDING.join(PrivateFeedRow, PrivateFeedRow.label_id == LabelRow.id).where(
    PrivateFeedRow.revoked_at.is_(None)
)


def _query_of(address: Address) -> Select[*tuple[Any, ...]]:
    if isinstance(address, PrivateAddress):
        return _PRIVATE_STANDING.where(PrivateFeedRow.digest == digest_of(address.token))
    return _STANDING.where(LabelRow.kind == address.kind, LabelRow.slug == address.slug)
