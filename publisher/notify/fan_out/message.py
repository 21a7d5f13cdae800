"""The exact bytes that subscribers receive: the same for everybody and on every retry."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from publisher.article import PublicArticle
from publisher.events import EventType
from publisher.notify.fan_out.happened import EndpointChanged, Happened, Published, Retracted

SCHEMA_VERSION = 1


def message_name(message_id: UUID) -> str:
    """Return the message's id as receivers see it in `webhook-id`: `msg_` and 32 hexadecimal digits."""
    return f"msg_{message_id.hex}"


def message_body(happened: Happened) -> bytes:
    """Return what subscribers are told of an event."""
    if isinstance(happened, Published):
        data = _published(happened.article)
    elif isinstance(happened, Retracted):
        data = _retracted(happened)
    else:
        data = _endpoint(happened)
    body = {
        "type": happened.type.value,
        "timestamp": instant(happened.time),
        "schema_version": SCHEMA_VERSION,
        "data": data,
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def instant(moment: datetime) -> str:
    """Return an aware instant in RFC 3339, in UTC with `Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _published(article: PublicArticle) -> dict[str, Any]:
    source = article.source
    return {
        "id": str(article.id),
        "uri": article.uri,
        "sequence": article.sequence,
        "url": article.url,
        "link": article.link,
        "title": article.title,
        "summary": article.summary,
        "language": article.language,
        "categories": [{"term": one.term, "label": one.label} for one in article.categories],
        "tags": list(article.tags),
        "places": list(article.places),
        "source": {"name": source.name, "url": source.url} if source else None,
        "published": instant(article.published),
        "updated": instant(article.updated),
    }


def _retracted(happened: Retracted) -> dict[str, Any]:
    # Nothing of the content: whoever asks for retractions must not get the article once more.
    return {
        "id": str(happened.article_id),
        "uri": happened.uri,
        "sequence": happened.sequence,
        "url": happened.url,
        "retracted_at": instant(happened.time),
        "reason": happened.reason,
    }


def _endpoint(happened: EndpointChanged) -> dict[str, Any]:
    # Without the endpoint's URL: other endpoints may be told of it, and it may hold a secret.
    data: dict[str, Any] = {"id": str(happened.endpoint_id)}
    if happened.type is EventType.ENDPOINT_DISABLED:
        data |= {"disabled_reason": happened.reason, "disabled_at": instant(happened.time)}
    return data
