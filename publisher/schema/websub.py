"""Tables of WebSub: what can be subscribed to, and what callbacks have to confirm."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from publisher.schema.row import BigInt, Row


class TopicRow(Row):
    """A feed in one format that somebody has subscribed to, with its newest document: one, never a history.

    A subscription is an endpoint with this topic (`EndpointRow.topic_id`).

    Attributes:
        url: as whoever asked for it last wrote it.
        digest: of the token, for the feed of one reader; None for a public one.
        token: the token itself, encrypted; None for a public one.
        stand_in: what stands for the token in `url`, `link` and the document; found nowhere else.
        generation: of the feed when the document was made; one less than of the takedown that took it away.
        changed_at: when the document was last stored, by the database's clock.
        content_type: of the document, as a header.
        link: the header `Link` that goes with it.
        body: None: there is none to be sent now.
        subscribed_until: when the last of the leases ends, or later.
    """

    __tablename__ = "topic"
    __table_args__ = (
        Index("topic_feed", "label_id", "format", "digest", unique=True, postgresql_nulls_not_distinct=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    label_id: Mapped[UUID] = mapped_column(ForeignKey("label.id"))
    format: Mapped[str]
    url: Mapped[str]
    digest: Mapped[bytes | None]
    token: Mapped[bytes | None]
    stand_in: Mapped[str | None]
    generation: Mapped[BigInt] = mapped_column(server_default=text("0"))
    changed_at: Mapped[datetime | None]
    content_type: Mapped[str | None]
    link: Mapped[str | None]
    body: Mapped[bytes | None]
    subscribed_until: Mapped[datetime | None]


class VerificationRow(Row):
    """That a callback is to be asked whether it wants what was said in its name, or told that it is denied.

    The delivery that does it has the same id.

    Attributes:
        mode: `subscribe`, `unsubscribe` or `denied`.
        lease_s: of a subscription.
        challenge: what has to come back; empty for `denied`.
        secret: encrypted for the endpoint; becomes the subscription's when it is confirmed.
        reason: why it was denied.
        generation: of the feed when it was asked for: what is newer the subscriber has not seen.
    """

    __tablename__ = "verification"
    __table_args__ = (Index("verification_endpoint", "endpoint_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("endpoint.id", ondelete="CASCADE"))
    mode: Mapped[str]
    lease_s: Mapped[int | None]
    challenge: Mapped[str]
    secret: Mapped[bytes | None]
    reason: Mapped[str | None]
    generation: Mapped[BigInt] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime]
