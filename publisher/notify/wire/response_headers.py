"""The headers of a receiver's answer, as they are acted on and kept."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

MAX_HEADERS_BYTES = 16 * 1024
"""Of names and values together, as they arrive; bodies have a limit of their own."""

NOT_KEPT = "(not kept)"
"""Stands for a value that is nobody's business but the receiver's."""

_ACTED_ON = (b"retry-after", b"webhook-delivery")
# These let whoever reads them act in somebody's name. Whoever looks for a fault is helped by knowing that one
# was set (a login page, a filter in front of the receiver), never by its value.
_CREDENTIALS = frozenset(
    (
        "authentication-info",
        "authorization",
        "proxy-authentication-info",
        "proxy-authorization",
        "set-cookie",
        "set-cookie2",
    )
)

Raw = tuple[bytes, bytes]


def response_headers(raw: Sequence[Raw]) -> dict[str, str]:
    """Return headers by their names in lower case: text that the record can hold, whatever was sent.

    Of more than `MAX_HEADERS_BYTES` the first are kept, before them what we act on. Cookies and what else
    proves who somebody is are named, without their values.

    Source: RFC 9110, section 5.3: several values of one name are one, with commas.
    """
    if sum(map(len, chain.from_iterable(raw))) > MAX_HEADERS_BYTES:
        raw = list(_cut(sorted(raw, key=lambda one: one[0].lower() not in _ACTED_ON)))
    found: dict[str, str] = {}
    for name, value in raw:
        key = _text(name).lower()
        if key in _CREDENTIALS:
            found[key] = NOT_KEPT
        elif key in found:
            found[key] += f", {_text(value)}"
        else:
            found[key] = _text(value)
    return found


def _cut(raw: Iterable[Raw]) -> Iterator[Raw]:
    left = MAX_HEADERS_BYTES
    for name, value in raw:
        left -= len(name)
        if left < 0:
            return
        yield name, value[:left]
        left = max(0, left - len(value))


def _text(written: bytes) -> str:
    return written.decode("utf-8", "replace").replace("\x00", "\ufffd")
