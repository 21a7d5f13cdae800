"""Deliveries in the hands of a sender, for tests of what it does with them."""

from typing import Any
from uuid import UUID

from publisher.ids import new_id
from publisher.notify.claimed import Claimed
from publisher.notify.webhook import Webhook


def claimed_for(endpoint: UUID, **members: Any) -> Claimed:
    """Return a delivery to an endpoint, of a message of its own, about to be tried for the first time."""
    identifier = new_id()
    usual: dict[str, Any] = {
        "id": identifier,
        "shard": 0,
        "token": 1,
        "endpoint_id": endpoint,
        "message_id": identifier,
        "sequence": None,
        "attempts": 0,
        "trigger": "auto",
        "url": "https://reader.example/hook",
        "timeout_s": None,
        "max_in_flight": 10,
        "sending": Webhook(message_id=identifier, sequence=None, body=b"", secrets=()),
    }
    return Claimed(**(usual | members))
