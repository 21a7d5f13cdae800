"""Signatures over webhooks: version v1 (HMAC-SHA256) of Standard Webhooks 1.0.0."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import timedelta

_VERSION = "v1"
# The value of the public libraries; the specification only asks for “some tolerance”.
_TOLERANCE = timedelta(minutes=5)


def sign(secrets: Sequence[bytes], *, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of the `webhook-signature` header: one signature a secret, parted by spaces.

    Args:
        secrets: all that are live, the current one first: during a rotation the receiver may hold either.
        message_id: as sent in `webhook-id`; without a full stop, which parts what is signed.
        timestamp: of this attempt, in seconds since 1970, as sent in `webhook-timestamp`.
        body: exactly the bytes that are sent.

    Raises:
        ValueError: when the id has a full stop: what is signed could then be read in two ways.
    """
    if "." in message_id:
        raise ValueError(f"{message_id}: expected an id without a full stop")
    return " ".join(_signature(secret, message_id, timestamp, body) for secret in secrets)


def verify(secret: bytes, *, headers: Mapping[str, str], body: bytes, at: int) -> bool:
    """Return whether a received webhook is signed with this secret and not older or newer than 5 minutes.

    Args:
        headers: of the request, names in lower case.
        at: the receiver's clock, in seconds since 1970.
    """
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if "." in message_id:
        return False
    if not (message_id and timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    if abs(at - int(timestamp)) > _TOLERANCE.total_seconds():
        return False
    expected = _signature(secret, message_id, int(timestamp), body).encode()
    # Not `any`: each is compared, and each in constant time. Unknown versions never match.
    matches = [
        hmac.compare_digest(expected, given.encode("utf-8", "replace"))
        for given in headers.get("webhook-signature", "").split(" ")
    ]
    return bool(secret) and True in matches


def _signature(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    signed = b"%s.%d.%s" % (message_id.encode("utf-8", "replace"), timestamp, body)
    digest = hmac.digest(secret, signed, hashlib.sha256)
    return f"{_VERSION},{base64.b64encode(digest).decode()}"
