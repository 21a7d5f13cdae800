"""The form that the hub is sent, checked as far as it alone tells.

Source: WebSub, sections 5.1 and 7.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

SHORTEST_LEASE_S = 5 * 60
LONGEST_LEASE_S = 30 * 24 * 3600
USUAL_LEASE_S = 10 * 24 * 3600
"""Of whoever asks for none; a wish is kept within the other two."""

_SECRET_BYTES = 200
_LONGEST_NUMBER = 20
Fields = Sequence[tuple[str, str]]


class Mode(StrEnum):
    """What the hub asks a callback, or tells it."""

    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    DENIED = "denied"


class BadForm(Exception):
    """A form says something that the hub does not take; the text names the field and what was expected."""


@dataclass(frozen=True, kw_only=True)
class SubscriptionRequest:
    """Somebody wants to subscribe, or to end that.

    Attributes:
        topic: as it was written.
        callback: as it was written; where it leads was not looked at.
        lease_s: of a subscription, and `secret`: what signs the documents; None: they come unsigned.
    """

    mode: Mode
    topic: str
    callback: str
    lease_s: int = USUAL_LEASE_S
    secret: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Publication:
    """Somebody says that topics have changed."""

    topics: tuple[str, ...]


def parse_form(fields: Fields) -> SubscriptionRequest | Publication:
    """Return what a form says; fields that nobody knows are left alone.

    Raises:
        BadForm: when a field is missing, is there twice, or says something else than can be said there.
    """
    mode = _one(fields, "hub.mode", "expected subscribe, unsubscribe or publish")
    if mode == "publish":
        topics = tuple(value for name, value in fields if name in ("hub.topic", "hub.url"))
        if not topics:
            raise BadForm("hub.topic: is missing; expected the URL of a feed, or hub.url with it")
        return Publication(topics=topics)
    if mode not in (Mode.SUBSCRIBE, Mode.UNSUBSCRIBE):
        raise BadForm(f"hub.mode: {mode[:50]!r} is unknown; expected subscribe, unsubscribe or publish")
    request = SubscriptionRequest(
        mode=Mode(mode),
        topic=_one(fields, "hub.topic", "expected the URL of a feed"),
        callback=_one(fields, "hub.callback", "expected the URL that documents are to be sent to"),
    )
    if request.mode is Mode.UNSUBSCRIBE:
        return request
    return replace(
        request,
        lease_s=_lease(_optional(fields, "hub.lease_seconds")),
        secret=_secret(_optional(fields, "hub.secret")),
    )


def _optional(fields: Fields, name: str) -> str:
    values = [value for other, value in fields if other == name]
    if len(values) > 1:
        raise BadForm(f"{name}: is there {len(values)} times; expected it once")
    return values[0] if values else ""


def _one(fields: Fields, name: str, expected: str) -> str:
    value = _optional(fields, name)
    if not value:
        raise BadForm(f"{name}: is missing; {expected}")
    return value


def _lease(text: str) -> int:
    if not text:
        return USUAL_LEASE_S
    digits = text.lstrip("0")
    if not (text.isascii() and text.isdigit() and digits):
        raise BadForm(
            f"hub.lease_seconds: {text[:50]!r} is no lease; expected a whole number of seconds above 0"
        )
    wish = LONGEST_LEASE_S if len(digits) > _LONGEST_NUMBER else int(digits)
    return min(max(wish, SHORTEST_LEASE_S), LONGEST_LEASE_S)


def _secret(text: str) -> bytes | None:
    secret = text.encode()
    if len(secret) >= _SECRET_BYTES:
        raise BadForm(f"hub.secret: has {len(secret)} bytes; expected fewer than {_SECRET_BYTES}")
    return secret or None
