"""What an older version of the code has stored for readers is made anew, by and by, newest first."""

from datetime import timedelta

from sqlalchemy import exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from publisher.database import Channel, wake
from publisher.events import EventType, queue_of
from publisher.ids import new_id
from publisher.labels import LabelKind
from publisher.schema import ArticleSearchRow, EntryRow, EventTaskRow, LabelRow

SLICE = 500

# Fifty a second leave most of the time to what comes in; and that waits for a slice at most.
_NEXT_SLICE = timedelta(seconds=10)
_WHEN_CROWDED = timedelta(minutes=5)
_TASK = "feeds"


def owe_outdated(session: Session) -> timedelta | None:
    """Owe a slice of the entries whose words are missing, or of another revision.

    Return after which time to look for more, or None if there are none.
    """
    # What is stuck waits for an operator, and must not keep the rest waiting.
    is_on_its_way = (EventTaskRow.task == _TASK, ~EventTaskRow.stuck)
    waiting = select(EventTaskRow.event_id).where(*is_on_its_way).limit(SLICE).subquery()
    room = SLICE - (session.scalar(select(func.count()).select_from(waiting)) or 0)
    if room <= 0:
        return _WHEN_CROWDED
    outdated = session.scalars(_OUTDATED.limit(room)).all()
    if outdated:
        everything = session.scalar(select(LabelRow.id).where(LabelRow.kind == LabelKind.ALL))
        # As a correction owes it, but for the webhooks; a type of its own would be a riddle to older workers.
        owed = {
            "task": _TASK,
            "queue": queue_of(EventType.ARTICLE_CORRECTED),
            "type": EventType.ARTICLE_CORRECTED,
            "data": {"labels": [str(everything)]},
            "due_at": func.now(),
        }
        session.execute(
            insert(EventTaskRow).values([{**owed, "event_id": new_id(), "subject": one} for one in outdated])
        )
        wake(session, Channel.OUTBOX)
    return _NEXT_SLICE if outdated else None


_OUTDATED = (
    select(EntryRow.article_id)
    .join(ArticleSearchRow, ArticleSearchRow.article_id == EntryRow.article_id, isouter=True)
    .where(
        ArticleSearchRow.sequence.is_distinct_from(EntryRow.sequence),
        # What is owed already, or has failed for good, is not owed again.
        ~exists().where(EventTaskRow.subject == EntryRow.article_id, EventTaskRow.task == _TASK),
    )
    .order_by(EntryRow.article_id.desc())
)
