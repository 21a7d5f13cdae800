"""Tables of WebSub: what can be subscribed to, and what callbacks are asked."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from publisher.schema.row import BigInt, Row


class TopicRow(Row):
    """A feed in one format that somebody has subscribed to, with its newest document: one, never a history.

    A subscription is an endpoint with this topic (`EndpointRow.topic_id`).

    Attributes:
        url: as the first subscriber wrote it.
        digest: of the token, for the feed of one reader; None for a public one.
        token: the token itself, encrypted; None for a public one.
        stand_in: what stands for the token in `url`, `link` and the document; found nowhere else.
        generation: of the feed when the document was made, or when a takedown took it away.
        changed_at: when it last changed, by the database's clock.
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


class CallbackRequestRow(Row):
    """What a callback is to be asked, or told, with a GET; its delivery has the same id.

    Attributes:
        mode: `subscribe` or `unsubscribe` (is that what you want?), or `denied`.
        lease_s: of a subscription.
        challenge: what has to come back; empty for `denied`.
        secret: encrypted for the endpoint; becomes the subscription's when it is verified.
        reason: why it was denied.
    """

    __tablename__ = "callback_request"
    __table_args__ = (Index("callback_request_endpoint", "endpoint_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("endpoint.id", ondelete="CASCADE"))
    mode: Mapped[str]
    lease_s: Mapped[int | None]
    challenge: Mapped[str]
    secret: Mapped[bytes | None]
    reason: Mapped[str | None]
    created_at: Mapped[datetime]
