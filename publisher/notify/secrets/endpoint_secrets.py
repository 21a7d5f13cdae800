"""Which secrets sign an endpoint's webhooks: the newest, and older ones for as long as a rotation says."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, delete, func, select, text, update
from sqlalchemy.orm import Session

from publisher.errors import Conflict, SettingsError
from publisher.ids import new_id
from publisher.notify.secrets.box import WRONG_KEY, SecretBox, new_secret
from publisher.schema import EndpointSecretRow

OVERLAP = timedelta(hours=24)
"""How long an old secret still signs after a new one was made, unless it is said otherwise."""

MAX_LIVE = 10
"""Every request carries a signature by each live secret."""

_SAMPLE = 100
_LIVE = text("""
SELECT endpoint_id, encrypted FROM endpoint_secret
WHERE endpoint_id = ANY(:endpoints) AND (expires_at IS NULL OR expires_at > :at) ORDER BY id DESC
""")
log = structlog.get_logger("publisher.endpoint_secrets")


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """How a secret is to be replaced.

    Attributes:
        secret: the new one; None: one that is made here.
        overlap: how long those before it still sign; none of them for longer than it would have anyway.
    """

    secret: bytes | None = field(default=None, repr=False)
    overlap: timedelta = OVERLAP


USUAL = Rotation()


def add_secret(session: Session, endpoint_id: UUID, box: SecretBox, *, given: bytes | None = None) -> bytes:
    """Store a secret encrypted, and return it: the one that was given, or a new one."""
    secret = new_secret() if given is None else given
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
    session: Session, endpoint_id: UUID, *, box: SecretBox, at: datetime, wanted: Rotation = USUAL
) -> tuple[bytes, datetime]:
    """Add a secret; return it and when the older ones stop signing. The endpoint's row is locked.

    Raises:
        Conflict: when ten are live already, or the new one is among them.
    """
    mine = EndpointSecretRow.endpoint_id == endpoint_id
    expire_at = at + wanted.overlap
    if wanted.secret in _live(session, [endpoint_id], box=box, at=at).get(endpoint_id, ()):
        raise Conflict(f"secret: is live at endpoint {endpoint_id} already, expected another one")
    lasts = EndpointSecretRow.expires_at.is_(None) | (EndpointSecretRow.expires_at > expire_at)
    session.execute(update(EndpointSecretRow).where(mine, lasts).values(expires_at=expire_at))
    session.execute(delete(EndpointSecretRow).where(mine, EndpointSecretRow.expires_at <= at))
    live = session.scalar(select(func.count()).select_from(EndpointSecretRow).where(mine)) or 0
    if live >= MAX_LIVE:
        raise Conflict(f"endpoint {endpoint_id}: has {MAX_LIVE} live secrets; wait until one expires")
    return add_secret(session, endpoint_id, box, given=wanted.secret), expire_at


def live_secrets(
    session: Session, endpoint_ids: Collection[UUID], *, box: SecretBox, at: datetime
) -> dict[UUID, tuple[bytes, ...]]:
    """Return what each endpoint's webhooks are signed with, newest first; deleted endpoints are left out.

    What cannot be decrypted is left out, too: an endpoint that has none left, until its secret is rotated,
    is logged.

    Raises:
        SettingsError: when that is so of all, and PUBLISHER_SECRET_KEY opens no other endpoint's either.
    """
    if not endpoint_ids:
        return {}
    found = _live(session, endpoint_ids, box=box, at=at)
    if found and not any(found.values()):
        refuse_key(session, box)
    for endpoint_id, secrets in found.items():
        if not secrets:
            log.error("endpoint.unreadable_secret", endpoint_id=str(endpoint_id))
    return found


def refuse_key(session: Session, box: SecretBox) -> None:
    """See that the key opens one of several endpoints' secrets, if there are several.

    Raises:
        SettingsError: when it opens none: then it is the key that is wrong.
    """
    newest = (
        select(EndpointSecretRow.endpoint_id, EndpointSecretRow.encrypted)
        .order_by(EndpointSecretRow.id.desc())
        .limit(_SAMPLE)
    )
    sample = _decrypted(session.execute(newest), box)
    if len(sample) > 1 and not any(sample.values()):
        raise SettingsError(WRONG_KEY)


def _live(
    session: Session, endpoint_ids: Collection[UUID], *, box: SecretBox, at: datetime
) -> dict[UUID, tuple[bytes, ...]]:
    return _decrypted(session.execute(_LIVE, {"endpoints": list(endpoint_ids), "at": at}), box)


def _decrypted(rows: Iterable[Row[Any]], box: SecretBox) -> dict[UUID, tuple[bytes, ...]]:
    found: dict[UUID, tuple[bytes, ...]] = {}
    for row in rows:
        endpoint_id = row.endpoint_id
        before = found.get(endpoint_id, ())
        try:
            found[endpoint_id] = (*before, box.decrypt(row.encrypted, owner=endpoint_id.bytes))
        except SettingsError:
            found[endpoint_id] = before
    return found
