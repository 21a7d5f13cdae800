"""A webhook: a message in JSON, signed after Standard Webhooks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.orm import Session

from publisher import __version__
from publisher.notify.due import Due
from publisher.notify.fan_out.message import message_name
from publisher.notify.outcome import Answer, DeliveryState, Outcome, judge
from publisher.notify.secrets.box import SecretBox
from publisher.notify.secrets.endpoint_secrets import live_secrets
from publisher.notify.sending import Request
from publisher.notify.signature import sign

USER_AGENT = f"publisher/{__version__}"
_MESSAGES = text("""
SELECT id, body, accepted_at, traceparent FROM message WHERE (id, time) IN :wanted AND body IS NOT NULL
""").bindparams(bindparam("wanted", expanding=True))


@dataclass(frozen=True, kw_only=True, slots=True)
class Webhook:
    """A message to an endpoint.

    Attributes:
        secrets: that are live, newest first; at least one.
        accepted_at: since when there was something to tell.
        traceparent: of the request that led to the message.
    """

    keeps_answer: ClassVar = True

    message_id: UUID
    sequence: int | None
    body: bytes
    secrets: tuple[bytes, ...]
    accepted_at: datetime | None = None
    traceparent: str | None = None

    def request(self, url: str, *, at: datetime, traceparent: str | None) -> Request:
        """Return the request of one attempt: the id stays the same on every one, the rest is its own.

        Source: Standard Webhooks 1.0.0, “Webhook headers”.
        """
        name, timestamp = message_name(self.message_id), int(at.timestamp())
        headers = {
            "webhook-id": name,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(self.secrets, message_id=name, timestamp=timestamp, body=self.body),
            "content-type": "application/json",
            "user-agent": USER_AGENT,
        }
        if self.sequence is not None:
            headers["publisher-sequence"] = str(self.sequence)
        if traceparent is not None:
            headers["traceparent"] = traceparent
        return Request(url=url, headers=headers, body=self.body)

    def judge(self, answer: Answer, *, attempts: int, at: datetime, jitter: float) -> Outcome:
        """Return what follows from an answer."""
        return judge(answer, attempts=attempts, at=at, jitter=jitter)


def load_webhooks(
    session: Session, rows: Sequence[Due], *, box: SecretBox, at: datetime
) -> Mapping[UUID, Webhook | DeliveryState]:
    """Return what is sent for each delivery, or what becomes of it unsent; some have to be looked at again.

    Cancelled is what was scrubbed, and held what no secret can be read for.

    Args:
        at: by which secrets expire.

    Raises:
        SettingsError: when PUBLISHER_SECRET_KEY is not the key that secrets were encrypted with.
    """
    messages = _messages(session, {row.message_id: row.message_time for row in rows})
    secrets = live_secrets(session, {row.endpoint_id for row in rows}, box=box, at=at)
    found: dict[UUID, Webhook | DeliveryState] = {}
    for row in rows:
        message, live = messages.get(row.message_id), secrets.get(row.endpoint_id)
        if message is None:
            found[row.id] = DeliveryState.CANCELLED
        elif live == ():
            found[row.id] = DeliveryState.HELD
        # Without any secret, the endpoint was deleted just now: the next look cancels the delivery.
        elif live is not None:
            found[row.id] = _webhook(row, message, live)
    return found


def _messages(session: Session, wanted: Mapping[UUID, datetime]) -> dict[UUID, Any]:
    """Return those whose body is still there: read anew each time, since a retraction scrubs it.

    Args:
        wanted: when each of them happened, which tells its partition.
    """
    if not wanted:
        return {}
    return {row.id: row for row in session.execute(_MESSAGES, {"wanted": list(wanted.items())})}


def _webhook(row: Due, message: Any, secrets: tuple[bytes, ...]) -> Webhook:
    return Webhook(
        message_id=row.message_id,
        sequence=row.sequence,
        body=message.body,
        secrets=secrets,
        accepted_at=message.accepted_at,
        traceparent=message.traceparent,
    )
