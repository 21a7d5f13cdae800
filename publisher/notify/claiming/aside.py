"""Stop deliveries that came due and cannot be sent."""

from collections.abc import Mapping, Sequence

from sqlalchemy import case, func, select, tuple_, update
from sqlalchemy.orm import Session

from publisher.notify.due import Due
from publisher.notify.outcome import DeliveryState
from publisher.notify.shards.holdings import Lease
from publisher.notify.shards.leases import standing
from publisher.schema import DeliveryRow


def put_aside(
    session: Session, leases: Mapping[int, Lease], *, cancelled: Sequence[Due], held: Sequence[Due]
) -> None:
    """Stop deliveries; one that is in both sequences is cancelled."""
    rows = [*cancelled, *held]
    if not rows:
        return
    ours = standing(session, {row.shard: leases[row.shard].token for row in rows})
    # All at once, whatever becomes of them: deliveries are locked in the order of their ids.
    locked = (
        select(DeliveryRow.id)
        .where(
            # What has become newer since it was looked at is another thing.
            tuple_(DeliveryRow.id, func.coalesce(DeliveryRow.sequence, 0)).in_(
                [(row.id, row.sequence or 0) for row in rows if row.shard in ours]
            ),
            DeliveryRow.state == DeliveryState.PENDING,
        )
        .order_by(DeliveryRow.id)
        .with_for_update()
        .cte("locked")
    )
    is_cancelled = DeliveryRow.id.in_([row.id for row in cancelled])
    session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.id.in_(select(locked.c.id)))
        .values(
            state=case((is_cancelled, DeliveryState.CANCELLED), else_=DeliveryState.HELD),
            next_attempt_at=None,
        )
        .execution_options(synchronize_session=False)
    )
