"""How far feeds have come: which have changed, who came into them in which order, and who is told.

A feed's row is locked from its first change in a transaction to the commit, in the order of labels. So
generations and places are in the order of commits, and whoever has seen one has seen all before it.
"""

from collections.abc import Collection, Iterator
from uuid import UUID

from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as UUID_COLUMN
from sqlalchemy.orm import Session

from publisher.database import Channel
from publisher.schema import FeedRow

# A notification holds less than 8,000 bytes, and a label takes 33 of them.
_LABELS_A_NOTIFICATION = 200
_PLACE = text(
    """
    WITH came AS (
        SELECT article_id, label_id, row_number() OVER (
            PARTITION BY label_id ORDER BY first_visible_at, article_id
        ) AS number
        FROM article_label
        WHERE article_id = ANY(:articles) AND label_id = ANY(:labels) AND position IS NULL
    ), placed AS (
        UPDATE article_label AS one SET position = feed.last_position + came.number
        FROM came JOIN feed USING (label_id)
        WHERE (one.article_id, one.label_id) = (came.article_id, came.label_id)
        RETURNING one.label_id
    )
    UPDATE feed SET last_position = last_position + counted.articles
    FROM (SELECT label_id, count(*) AS articles FROM placed GROUP BY label_id) AS counted
    WHERE feed.label_id = counted.label_id
    """
).bindparams(*(bindparam(name, type_=ARRAY(UUID_COLUMN(as_uuid=True))) for name in ("articles", "labels")))


def mark_changed(session: Session, labels: Collection[UUID]) -> None:
    """Take note that these feeds show something else from the commit on, and tell who serves them."""
    if not labels:
        return
    session.execute(
        select(FeedRow.label_id)
        .where(FeedRow.label_id.in_(labels))
        .order_by(FeedRow.label_id)
        .with_for_update()
    )
    session.execute(
        update(FeedRow)
        .where(FeedRow.label_id.in_(labels))
        .values(generation=FeedRow.generation + 1, changed_at=func.now())
    )
    told = [label.hex for label in sorted(labels)]
    for first in range(0, len(told), _LABELS_A_NOTIFICATION):
        payload = ",".join(told[first : first + _LABELS_A_NOTIFICATION])
        session.execute(select(func.pg_notify(Channel.FEEDS, payload)))


def place(session: Session, articles: Collection[UUID], labels: Collection[UUID]) -> None:
    """Give articles that bear these labels their places in their feeds, which `mark_changed` has locked.

    Who has a place keeps it.
    """
    if articles and labels:
        session.execute(_PLACE, {"articles": sorted(articles), "labels": sorted(labels)})


def labels_told(payload: str) -> Iterator[UUID]:
    """Return the feeds that a notification of the channel names."""
    return (UUID(label) for label in payload.split(",") if label)
