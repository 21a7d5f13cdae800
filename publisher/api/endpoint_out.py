"""Endpoints and deliveries as clients see them; contract.md's “Endpoints … out”."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field

from publisher.notify.endpoints.store import Endpoint
from publisher.notify.fan_out.message import message_name
from publisher.notify.history.deliveries import Delivery
from publisher.notify.outcome import DeliveryState


class EndpointOut(BaseModel):
    """An endpoint, without its secret."""

    id: UUID
    url: str
    event_types: list[str]
    categories: list[str] | None = Field(description="null: articles of all categories, and of none.")
    description: str | None
    enabled: bool
    disabled_reason: str | None = Field(description="Set while disabled: manual, gone, declined, failing.")
    created_at: datetime
    rate_per_s: float | None
    max_in_flight: int | None
    fifo: bool
    timeout_s: float | None
    paused: bool = Field(description="Nothing is sent now: an operator or the receiver wants it so.")
    failing_since: datetime | None = Field(description="Its first failure since its last success.")
    tried_again_at: datetime | None = Field(description="It fails so much that it is left alone until then.")

    @classmethod
    def of(cls, endpoint: Endpoint, *, at: datetime, **members: object) -> Self:
        """Return what is shown of an endpoint at an instant; `members` besides its own."""
        categories = endpoint.filter.categories
        return cls.model_validate(
            {
                **{name: getattr(endpoint, name) for name in _SAME},
                "event_types": list(endpoint.filter.event_types),
                "categories": None if categories is None else list(categories),
                "paused": endpoint.is_paused(at=at),
                "tried_again_at": endpoint.broken_until if endpoint.is_broken(at=at) else None,
                **members,
            }
        )


class NewEndpointOut(EndpointOut):
    """An endpoint that was just made, with its secret."""

    secret: str = Field(description="Shown this once. Verifies `webhook-signature` (Standard Webhooks).")


class SecretOut(BaseModel):
    """A new signing secret."""

    secret: str = Field(description="Shown this once.")
    old_secrets_expire_at: datetime = Field(description="Until then requests carry signatures by both.")


class MessageOut(BaseModel):
    """The message that is on its way."""

    message_id: str = Field(description="The `webhook-id` of the request.")


class ReplayOut(BaseModel):
    """How many deliveries are sent again."""

    replayed: int = Field(description="They come due one after the other.")


class AttemptOut(BaseModel):
    """One try to deliver."""

    number: int
    trigger: str = Field(description="auto, manual or replay.")
    at: datetime
    url: str = Field(description="Where it was sent.")
    status: int | None = Field(description="null: not even the head of an answer came.")
    error: str | None = Field(description="What kept the answer from being complete; its status counts.")
    duration_ms: int
    address: str | None
    response_headers: dict[str, str] | None = Field(
        description="Names in lower case, the first 16 kB; cookies and credentials without their values."
    )
    response_body: str | None = Field(description="The first 16 kB.")


class DeliveryOut(BaseModel):
    """A message owed to an endpoint, and every attempt so far."""

    id: UUID
    message_id: str
    event_type: str | None
    article_id: UUID | None
    sequence: int | None
    state: DeliveryState
    next_attempt_at: datetime | None
    attempts: list[AttemptOut]

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        """Return what is shown of a delivery."""
        return cls(
            id=delivery.id,
            message_id=message_name(delivery.message_id),
            event_type=delivery.event_type,
            article_id=delivery.article_id,
            sequence=delivery.sequence,
            state=delivery.state,
            next_attempt_at=delivery.next_attempt_at,
            attempts=[AttemptOut.model_validate(one, from_attributes=True) for one in delivery.attempts],
        )


class EndpointList(BaseModel):
    """A page of endpoints, newest first."""

    data: list[EndpointOut]
    has_more: bool
    next_cursor: str | None


class DeliveryList(BaseModel):
    """A page of deliveries, newest messages first."""

    data: list[DeliveryOut]
    has_more: bool
    next_cursor: str | None


_SAME = EndpointOut.model_fields.keys() - {"event_types", "categories", "paused", "tried_again_at"}
