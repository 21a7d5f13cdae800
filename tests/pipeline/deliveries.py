"""What receivers got beside what the record says was sent: by path of the endpoint and `webhook-id`."""

from collections import Counter
from urllib.parse import urlsplit

from sqlalchemy import select

from publisher.schema import AttemptRow, DeliveryRow
from tests.pipeline.system import System
from tests.receivers import Receivers


def sent(receivers: Receivers) -> Counter[tuple[str, str]]:
    """Return how often each message arrived at each path."""
    return Counter((one.path, one.headers["webhook-id"]) for one in receivers.received())


def recorded(system: System) -> Counter[tuple[str, str]]:
    """Return how many attempts that the receiver accepted are in the record, by path and message.

    Any other attempt fails the test: these receivers refuse nothing that counts.
    """
    with system.sessions() as session:
        rows = session.execute(
            select(AttemptRow.url, AttemptRow.status, DeliveryRow.message_id).join(
                DeliveryRow, DeliveryRow.id == AttemptRow.delivery_id
            )
        ).all()
    assert {row.status for row in rows} <= {204}
    return Counter((urlsplit(row.url).path, f"msg_{row.message_id.hex}") for row in rows)
