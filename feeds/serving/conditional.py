"""What a reader's headers ask for: whether its copy is still good, which coding it reads, HTML or not.

Source: RFC 9110, sections 8.8 (validators), 12.5 (preferences) and 13.1 (conditions).
"""

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from enum import StrEnum

_ENTITY_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z/-]+")
_WEIGHT = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")
# A header's date has whole seconds, and a change is dated by the beginning of its transaction. So long
# after a change, none can show up any more that would be dated the same.
SETTLED = timedelta(seconds=5)


class Coding(StrEnum):
    """How a body is sent."""

    IDENTITY = "identity"
    GZIP = "gzip"
    BROTLI = "br"


def choose_coding(accept_encoding: str) -> Coding | None:
    """Return how to send a body: of what the reader likes best the smallest, or None if it reads nothing.

    Args:
        accept_encoding: the header; empty without one.
    """
    weights = _weights(accept_encoding)
    others = weights.get("*")
    identity = weights.get("identity", others)
    packed = {
        # Who takes anything has hardly thought of this one.
        Coding.BROTLI: weights.get("br", 0.0),
        Coding.GZIP: weights.get("gzip", weights.get("x-gzip", others)) or 0.0,
    }
    best = max(packed, key=lambda coding: packed[coding])
    if packed[best] > 0 and packed[best] >= (identity or 0.0):
        return best
    # Plain is good for everybody who does not refuse it.
    return None if identity == 0 else Coding.IDENTITY


def takes_deltas(a_im: str) -> bool:
    """Return whether the reader takes a document without what it has, and likes the whole one no better.

    Args:
        a_im: the header (RFC 3229, section 10.5.3); empty without one.
    """
    weights = _weights(a_im)
    return weights.get("feed", 0.0) > 0 and weights["feed"] >= weights.get("identity", 0.0)


def prefers_html(accept: str) -> bool:
    """Return whether the reader takes HTML, as browsers and curl do, and no kind of JSON before it.

    Args:
        accept: the header; empty without one.
    """
    weights = _weights(accept or "*/*")
    html = max(weights.get(name, 0.0) for name in ("text/html", "application/xhtml+xml", "text/*", "*/*"))
    json = max(weights.get(name, 0.0) for name in ("application/problem+json", "application/json"))
    return html > 0 and html >= json


def entity_tag(etag: str, coding: Coding = Coding.IDENTITY) -> str:
    """Return the strong `ETag` of one representation: each coding has its own."""
    return f'"{etag}"' if coding is Coding.IDENTITY else f'"{etag}-{coding}"'


def last_modified(changed_at: datetime, *, at: datetime) -> str:
    """Return the value of `Last-Modified`.

    While another change in the same second is still possible, it is earlier than it should be, so that
    nobody who asks with it is told that nothing changed.
    """
    second = changed_at.astimezone(UTC).replace(microsecond=0)
    return format_datetime(second if at - changed_at >= SETTLED else second - SETTLED, usegmt=True)


def is_current(tag: str, if_none_match: str | None) -> bool:
    """Return whether the reader has this representation; tags are compared weakly.

    Args:
        tag: of the representation, as `entity_tag` returns it.
        if_none_match: the header; None without one.
    """
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag in _ENTITY_TAG.findall(if_none_match)


def versions_in(if_none_match: str) -> dict[str, str]:
    """Return the tags that a reader names, by what the `entity_tag` of any coding was made from."""
    return {
        etag: tag
        for tag in _ENTITY_TAG.findall(if_none_match)
        for etag, _, coding in [tag.strip('"').partition("-")]
        if coding in ("", Coding.GZIP, Coding.BROTLI)
    }


def is_unmodified(changed_at: datetime, if_modified_since: str | None, *, at: datetime) -> bool:
    """Return whether nothing changed since the instant that the reader names.

    What is no date, or lies in the future, counts as absent. Only for requests without `If-None-Match`,
    which says it better.
    """
    since = _http_date(if_modified_since) if if_modified_since else None
    return since is not None and changed_at.replace(microsecond=0) <= since <= at


def _http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
        return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _weights(header: str) -> dict[str, float]:
    """Return what a list of preferences names, in lower case, with weights; leave out what is malformed."""
    weights: dict[str, float] = {}
    for element in header.lower().split(","):
        name, *parameters = (part.strip() for part in element.split(";"))
        weight = next((p.removeprefix("q=") for p in parameters if p.startswith("q=")), "1")
        if _NAME.fullmatch(name) and _WEIGHT.fullmatch(weight):
            weights.setdefault(name, float(weight))
    return weights
