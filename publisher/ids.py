"""Identifiers: time-ordered UUIDs, and the `tag:` URI that an article carries everywhere."""

import os
import time
from datetime import UTC, datetime
from uuid import UUID


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


def article_uri(identifier: UUID, tag_domain: str) -> str:
    """Return the article's permanent id, `tag:<domain>,<UTC date of its making>:article/<uuid>`.

    Source: RFC 4151. It is stored once and never computed again, so that a changed domain changes
    new articles only.
    """
    return f"tag:{tag_domain},{made_at(identifier):%Y-%m-%d}:article/{identifier}"
