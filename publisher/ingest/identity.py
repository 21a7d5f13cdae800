"""Which article a submission is, and whether it says anything new."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from publisher.details import stored_image
from publisher.ingest.submission import Submission
from publisher.text import fold

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class KeyKind(StrEnum):
    """By what an article is known again."""

    GUID = "guid"
    URL = "url"
    DERIVED = "derived"


def canonical_url(url: str) -> str:
    """Return the form under which an address is looked up.

    Scheme and host are lower case, the scheme's own port and the fragment are left out. Nothing else is
    touched: whether two paths or queries lead to the same page is known to their server only.
    """
    parts = urlsplit(url)
    host = parts.netloc.lower().removesuffix(_DEFAULT_PORTS.get(parts.scheme, ":")).removesuffix(":")
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{host}{parts.path or '/'}{query}"


def derived_guid(title: str, published: datetime | None, source_name: str | None) -> str:
    """Return the name of a page that brings none: `page:` and 32 hexadecimal digits.

    The same page scraped again has the same name, whatever its normalisation, spaces and case. The date
    is the day that the page prints, in the zone that it means; the time of day does not count, since
    some copies of a page lack it.
    """
    day = published.date().isoformat() if published else ""
    # A list, so that no field can run into the next.
    parts = json.dumps([fold(title), day, fold(source_name or "")])
    return f"page:{hashlib.sha256(parts.encode()).hexdigest()[:32]}"


def keys_of(submission: Submission) -> tuple[tuple[KeyKind, str], ...]:
    """Return the identities of a submission; at least one.

    A guid that was derived remains a derived one, so that it makes no difference whether it was already
    written into the submission.
    """
    source_name = submission.source.name if submission.source else None
    derived = derived_guid(submission.title, submission.published, source_name)
    if submission.url is None and submission.guid in (None, derived):
        return ((KeyKind.DERIVED, derived),)
    keys: list[tuple[KeyKind, str]] = []
    if submission.guid is not None:
        keys.append((KeyKind.GUID, submission.guid))
    if submission.url is not None:
        keys.append((KeyKind.URL, canonical_url(submission.url)))
    return tuple(keys)


def content_digest(submission: Submission) -> bytes:
    """Return the SHA-256 of everything that makes a revision when it changes.

    That is what readers see, and the embargo, since one that was moved has to be obeyed. `published`
    is left out because it never moves, `guid` because it only names, `notify`, `restore` and `warnings`
    because they belong to the request.
    """
    content: dict[str, Any] = {
        "url": submission.url,
        "title": submission.title,
        "content_html": submission.content_html,
        "content_text": submission.content_text,
        "summary": submission.summary,
        "language": submission.language,
        "authors": _plain(submission.authors),
        "categories": submission.categories,
        "tags": submission.tags,
        "images": [stored_image(image) for image in submission.images],
        "source": asdict(submission.source) if submission.source else None,
        "related": _plain(submission.related),
        "visible_from": submission.visible_from,
        **_later(submission),
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), default=_instant)
    return hashlib.sha256(canonical.encode()).digest()


def _later(submission: Submission) -> dict[str, Any]:
    """Return what submissions have had later, where it is given: what was stored before stays the same."""
    return {"places": submission.places} if submission.places else {}


def _plain(values: Sequence[Any]) -> list[dict[str, Any]]:
    return [asdict(value) for value in values]


def _instant(value: object) -> str:
    assert isinstance(value, datetime)
    return value.astimezone(UTC).isoformat()
