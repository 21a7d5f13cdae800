"""How far feeds have come: which have changed, who came into them in which order, and who is told.

A feed's row is locked from its first change in a transaction to the commit, in the order of labels. So
generations and places are in the order of commits, and whoever has seen one has seen all before it.
"""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as UUID_COLUMN
from sqlalchemy.orm import Session

from publisher.database import Channel
from publisher.events import Event, EventType
from publisher.outbox.emit import emit_all
from publisher.schema import FeedRow, TopicRow
from publisher.schema.row import table

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


AT_ONCE = "!"
"""Stands behind a feed's name on the channel when what is kept of it must not be shown any more."""

_TELL = text("SELECT pg_notify(:channel, label) FROM unnest(CAST(:labels AS text[])) AS label")


def mark_changed(session: Session, labels: Collection[UUID], *, at_once: bool = False) -> None:
    """Take note that these feeds show something else from the commit on.

    A trigger tells who serves them: `feed_changes`, on the channel `feeds`, by the hexadecimal label. Events
    tell of those that somebody is subscribed to.

    Args:
        at_once: whether what is kept of them must not be shown, or sent, for another moment.
    """
    if not labels:
        return
    session.execute(
        select(FeedRow.label_id)
        .where(FeedRow.label_id.in_(labels))
        .order_by(FeedRow.label_id)
        .with_for_update()
    )
    # Of two transactions the one that began later may end first.
    later = func.greatest(FeedRow.changed_at, func.clock_timestamp())
    session.execute(
        update(table(FeedRow))
        .where(FeedRow.label_id.in_(labels))
        .values(generation=FeedRow.generation + 1, changed_at=later)
    )
    if at_once:
        told = [label.hex + AT_ONCE for label in sorted(labels)]
        session.execute(_TELL, {"channel": Channel.FEEDS, "labels": told})
        _forget_documents(session, labels)
    owe_pushes(session, labels)


def owe_pushes(session: Session, labels: Collection[UUID]) -> None:
    """Oblige us to send subscribers of these feeds what is new; nothing where there are none."""
    subscribed = session.scalars(
        select(TopicRow.label_id)
        .where(TopicRow.label_id.in_(labels), TopicRow.subscribed_until > func.now())
        .distinct()
        .order_by(TopicRow.label_id)
    )
    emit_all(session, [Event(type=EventType.FEED_CHANGED, subject=label) for label in subscribed])


def _forget_documents(session: Session, labels: Collection[UUID]) -> None:
    """Take away what subscribers of these feeds would be sent; nothing older can come instead."""
    topics = select(TopicRow.id).where(TopicRow.label_id.in_(labels)).order_by(TopicRow.id)
    locked = session.scalars(topics.with_for_update(key_share=True)).all()
    session.execute(
        update(table(TopicRow))
        .where(TopicRow.id.in_(locked), TopicRow.label_id == FeedRow.label_id)
        .values(body=None, generation=FeedRow.generation - 1)
    )


def place(session: Session, articles: Collection[UUID], labels: Collection[UUID]) -> None:
    """Give articles that bear these labels their places in their feeds, which `mark_changed` has locked.

    Who has a place keeps it.
    """
    if articles and labels:
        session.execute(_PLACE, {"articles": sorted(articles), "labels": sorted(labels)})
