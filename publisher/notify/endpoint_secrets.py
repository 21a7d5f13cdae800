"""Which secrets sign an endpoint's webhooks: the newest, and older ones for a day."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from publisher.errors import Conflict
from publisher.ids import new_id
from publisher.notify.secrets import SecretBox, new_secret
from publisher.schema import EndpointSecretRow

OVERLAP = timedelta(hours=24)
"""How long an old secret still signs after a new one was made."""

MAX_LIVE = 10
"""Every request carries a signature by each live secret."""


def add_secret(session: Session, endpoint_id: UUID, box: SecretBox) -> bytes:
    """Make a secret, store it encrypted, and return it."""
    secret = new_secret()
    session.add(
        EndpointSecretRow(
            id=new_id(),
            endpoint_id=endpoint_id,
            encrypted=box.encrypt(secret, owner=endpoint_id.bytes),
            created_at=func.now(),
        )
    )
    session.flush()
    return secret


def replace_secret(
    session: Session, endpoint_id: UUID, *, box: SecretBox, at: datetime
) -> tuple[bytes, datetime]:
    """Make a new secret; return it and when the older ones stop signing. The endpoint's row is locked.

    Raises:
        Conflict: when ten are live already.
    """
    mine = EndpointSecretRow.endpoint_id == endpoint_id
    session.execute(delete(EndpointSecretRow).where(mine, EndpointSecretRow.expires_at <= at))
    live = session.scalar(select(func.count()).select_from(EndpointSecretRow).where(mine)) or 0
    if live >= MAX_LIVE:
        raise Conflict(f"endpoint {endpoint_id}: has {MAX_LIVE} live secrets; wait until one expires")
    expire_at = at + OVERLAP
    current = mine & EndpointSecretRow.expires_at.is_(None)
    session.execute(update(EndpointSecretRow).where(current).values(expires_at=expire_at))
    return add_secret(session, endpoint_id, box), expire_at


def live_secrets(
    session: Session, endpoint_ids: Collection[UUID], *, box: SecretBox, at: datetime
) -> dict[UUID, tuple[bytes, ...]]:
    """Return what each endpoint's webhooks are signed with, newest first; deleted endpoints have none.

    Raises:
        SettingsError: when a secret was encrypted with another PUBLISHER_SECRET_KEY.
    """
    rows = session.execute(
        select(EndpointSecretRow.endpoint_id, EndpointSecretRow.encrypted)
        .where(
            EndpointSecretRow.endpoint_id.in_(endpoint_ids),
            or_(EndpointSecretRow.expires_at.is_(None), EndpointSecretRow.expires_at > at),
        )
        .order_by(EndpointSecretRow.id.desc())
    )
    found: dict[UUID, tuple[bytes, ...]] = {}
    for endpoint_id, encrypted in rows:
        secret = box.decrypt(encrypted, owner=endpoint_id.bytes)
        found[endpoint_id] = (*found.get(endpoint_id, ()), secret)
    return found
