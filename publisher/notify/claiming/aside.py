"""Stop deliveries that came due and cannot be sent."""

from collections.abc import Mapping, Sequence

from sqlalchemy import case, func, tuple_, update
from sqlalchemy.orm import Session

from publisher.notify.due import Due
from publisher.notify.locking import locking
from publisher.notify.outcome import DeliveryState
from publisher.notify.shards.holdings import Lease
from publisher.notify.shards.leases import standing
from publisher.schema import DeliveryRow
from publisher.schema.row import table


def put_aside(
    session: Session, leases: Mapping[int, Lease], *, cancelled: Sequence[Due], held: Sequence[Due]
) -> None:
    """Stop deliveries; one that is in both sequences is cancelled."""
    rows = [*cancelled, *held]
    if not rows:
        return
    ours = standing(session, {row.shard: leases[row.shard].token for row in rows})
    # All at once, whatever becomes of them: deliveries are locked in the order of their ids.
    # What has become newer since it was looked at is another thing.
    as_seen = tuple_(DeliveryRow.id, func.coalesce(DeliveryRow.sequence, 0)).in_(
        [(row.id, row.sequence or 0) for row in rows if row.shard in ours]
    )
    waits = as_seen & (DeliveryRow.state == DeliveryState.PENDING)
    session.execute(locking(waits))
    is_cancelled = DeliveryRow.id.in_([row.id for row in cancelled])
    becomes = case((is_cancelled, DeliveryState.CANCELLED), else_=DeliveryState.HELD)
    session.execute(
        update(table(DeliveryRow)).where(waits).values({"state": becomes, "next_attempt_at": None})
    )
