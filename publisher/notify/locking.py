"""Deliveries are locked in the order of their ids, by everybody."""

from sqlalchemy import ColumnElement, Select, func, select

from publisher.schema import DeliveryRow


def locking(*which: ColumnElement[bool]) -> Select[int]:
    """Return a statement that locks deliveries until the transaction ends, and tells how many.

    Their change is a statement of its own, by the same conditions. In one with this, PostgreSQL would join
    deliveries with those that are locked; by a plan that it keeps from when there was one, each with each:
    two and a half minutes at 66,000.
    """
    rows = select(DeliveryRow.id).where(*which).order_by(DeliveryRow.id).with_for_update()
    return select(func.count()).select_from(rows.cte("locked"))
