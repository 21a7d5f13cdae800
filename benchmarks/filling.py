"""Many articles at once: copies of those that are there, as if they had come in before them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Column, DateTime, Uuid, insert, text
from sqlalchemy.orm import Session

from publisher.ids import new_id
from publisher.schema import (
    ArticleKeyRow,
    ArticleLabelRow,
    ArticleRow,
    ArticleSearchRow,
    AttemptRow,
    DeliveryRow,
    EntryRow,
    EventRow,
    FeedRow,
    LabelRow,
    MessageRow,
    RevisionRow,
    Row,
    StepRow,
)
from publisher.schema.row import table

# Ids begin with their time: those of a copy sort where they would have come in.
_EARLIER = """
CREATE FUNCTION pg_temp.earlier(id uuid, copy bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
SELECT (lpad(to_hex(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint - copy * 600000), 12, '0')
        || substr(replace(id::text, '-', ''), 13))::uuid
$$
"""
_TIME = "copied.{0} - copy * interval '10 minutes'"
_ID = "pg_temp.earlier(copied.{0}, copy)"
_NEW_ID = "gen_random_uuid()"
_KEPT_IDS = ("endpoint_id", "label_id")
# Between the places of a copy and those of the next.
_ROOM = 10_000_000
_MAKE_ROOM = f"""
UPDATE article_label SET position = position + :copies * {_ROOM};
UPDATE feed SET last_position = last_position + :copies * {_ROOM}
"""
# What the pipeline never reads of older articles; most of the bytes, and nearly all of the time.
_BODY = "'<p>A copy.</p>'"
_COPIED: Mapping[type[Row], Mapping[str, str]] = {
    ArticleRow: {"uri": "replace(copied.uri, copied.id::text, pg_temp.earlier(copied.id, copy)::text)"},
    RevisionRow: {"content_html": _BODY, "content_text": _BODY},
    ArticleKeyRow: {
        "value": "copied.value || '?' || copy",
        "digest": "sha256(convert_to(copied.value || '?' || copy, 'UTF8'))",
    },
    ArticleLabelRow: {"position": f"copied.position - copy * {_ROOM}"},
    EntryRow: {"atom": _BODY, "rss": _BODY, "json": _BODY},
    ArticleSearchRow: {},
    EventRow: {},
    StepRow: {},
    MessageRow: {},
    DeliveryRow: {"id": _NEW_ID},
    AttemptRow: {"id": _NEW_ID, "delivery_id": _NEW_ID},
}


def multiply(session: Session, times: int) -> None:
    """Add copies of every article and of all that came of it, so that there are so many times as many.

    Their bodies are short.
    """
    # Every row refers to rows that are copied as well: there is nothing to be checked.
    session.execute(text("SET LOCAL session_replication_role = replica"))
    session.execute(text(_EARLIER))
    for statement in _MAKE_ROOM.split(";"):
        session.execute(text(statement), {"copies": times - 1})
    for row, values in _COPIED.items():
        session.execute(text(_copying(row, values)), {"copies": times - 1})


def add_feeds(session: Session, count: int) -> list[str]:
    """Add feeds of nothing; return their slugs."""
    labels = [{"id": new_id(), "kind": "topic", "slug": f"t-{n}", "term": f"T {n}"} for n in range(count)]
    session.execute(insert(LabelRow), labels)
    session.execute(insert(FeedRow), [{"label_id": one["id"]} for one in labels])
    return [str(one["slug"]) for one in labels]


def _copying(row: type[Row], values: Mapping[str, str]) -> str:
    columns = table(row).columns
    expressions = ", ".join(values.get(one.name, _expression(one)) for one in columns)
    names = ", ".join(one.name for one in columns)
    return (
        f"INSERT INTO {table(row).name} ({names}) SELECT {expressions}"
        f" FROM {table(row).name} AS copied, generate_series(1, :copies) AS copy ORDER BY copy DESC"
    )


def _expression(column: Column[Any]) -> str:
    if isinstance(column.type, DateTime):
        return _TIME.format(column.name)
    if isinstance(column.type, Uuid) and column.name not in _KEPT_IDS:
        return _ID.format(column.name)
    return f"copied.{column.name}"
