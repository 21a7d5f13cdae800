"""Identifiers: time-ordered UUIDs, and the `tag:` URI that an article carries everywhere."""

import os
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def new_id() -> UUID:
    """Return a UUID of version 7: sorts by the millisecond in which it was made.

    Source: RFC 9562, section 5.7. The random part comes from the system on every call, so a forked
    process never repeats its parent.
    """
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)


def made_at(identifier: UUID) -> datetime:
    """Return the instant, to the millisecond, at which `new_id` made this identifier."""
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, tz=UTC)


def first_id_of(instant: datetime) -> UUID:
    """Return the smallest identifier that `new_id` can make in the millisecond of this instant.

    Before 1970 none was made: it is that of 1970 then.
    """
    milliseconds = max(0, (instant - _EPOCH) // timedelta(milliseconds=1))
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (0x2 << 62))


def article_uri(identifier: UUID, tag_domain: str) -> str:
    """Return the article's permanent id, `tag:<domain>,<UTC date of its making>:article/<uuid>`.

    Source: RFC 4151. It is stored once and never computed again, so that a changed domain changes
    new articles only.
    """
    return f"tag:{tag_domain},{made_at(identifier):%Y-%m-%d}:article/{identifier}"
