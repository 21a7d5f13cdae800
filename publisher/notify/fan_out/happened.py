"""What subscribers may have to be told of, loaded for an event each."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, select, tuple_
from sqlalchemy.orm import Session

from publisher.archive import Archive
from publisher.article import PublicArticle
from publisher.events import EventType
from publisher.ids import made_at
from publisher.outbox.obligation import Obligation
from publisher.schema import ArticleRow, EventRow, RevisionRow

# An event's id is made by the process, its time by the database: their clocks differ by less than this.
_CLOCKS_DIFFER = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Published:
    """A revision became public: the first, a correction, or a restoration.

    Attributes:
        accepted_at: since when it could have been; None for events of older versions.
    """

    event_id: UUID
    time: datetime
    type: EventType
    article: PublicArticle
    accepted_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Retracted:
    """An article was taken down.

    Attributes:
        time: when it happened; a retraction is the moment itself.
        url: of its newest revision.
    """

    event_id: UUID
    time: datetime
    type: EventType
    article_id: UUID
    uri: str
    sequence: int
    url: str | None
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class EndpointChanged:
    """An endpoint is to be tested, or was disabled."""

    event_id: UUID
    time: datetime
    type: EventType
    endpoint_id: UUID
    reason: str | None


Happened = Published | Retracted | EndpointChanged


def load_happened(
    session: Session, obligations: Collection[Obligation], *, archive: Archive
) -> dict[Obligation, Happened]:
    """Return what each event is about; events about a revision that is not there are left out."""
    times = _times(session, obligations)
    articles = _articles(session, [one for one in obligations if one.type in _OF_ARTICLES])
    found: dict[Obligation, Happened] = {}
    for one in obligations:
        if one.type not in _OF_ARTICLES:
            found[one] = _endpoint_changed(one, times[one.event_id])
        elif one in articles:
            found[one] = _of_article(one, times[one.event_id], articles[one], archive)
    return found


_OF_ARTICLES = (EventType.ARTICLE_PUBLISHED, EventType.ARTICLE_CORRECTED, EventType.ARTICLE_RETRACTED)
_Versions = Mapping[Obligation, tuple[ArticleRow, RevisionRow]]


def _times(session: Session, obligations: Collection[Obligation]) -> dict[UUID, datetime]:
    """Return when the events happened by the database's clock, by which endpoints are dated, too."""
    guessed = {one.event_id: made_at(one.event_id) for one in obligations}
    if not guessed:
        return {}
    rows = session.execute(
        select(EventRow.id, EventRow.time).where(
            EventRow.id.in_(guessed),
            EventRow.time.between(
                min(guessed.values()) - _CLOCKS_DIFFER, max(guessed.values()) + _CLOCKS_DIFFER
            ),
        )
    )
    return {**guessed, **{row.id: row.time for row in rows}}


def _articles(session: Session, obligations: Collection[Obligation]) -> _Versions:
    """Return the revision that each event is about; of a retraction, the newest one."""
    exact = {(one.subject, one.data["sequence"]) for one in obligations}
    gone = {one.subject for one in obligations if one.type is EventType.ARTICLE_RETRACTED}
    if not exact:
        return {}
    newest = and_(RevisionRow.article_id.in_(gone), RevisionRow.sequence == ArticleRow.revision)
    rows = session.execute(
        select(ArticleRow, RevisionRow)
        .join(RevisionRow, RevisionRow.article_id == ArticleRow.id)
        .where(newest | tuple_(RevisionRow.article_id, RevisionRow.sequence).in_(exact))
    ).all()
    by_sequence = {(row[0].id, row[1].sequence): (row[0], row[1]) for row in rows}
    newest_of = {row[0].id: (row[0], row[1]) for row in rows if row[1].sequence == row[0].revision}
    versions = {
        one: newest_of.get(one.subject)
        if one.type is EventType.ARTICLE_RETRACTED
        else by_sequence.get((one.subject, one.data["sequence"]))
        for one in obligations
    }
    return {one: version for one, version in versions.items() if version is not None}


def _of_article(
    one: Obligation, time: datetime, version: tuple[ArticleRow, RevisionRow], archive: Archive
) -> Happened:
    article, revision = version
    if one.type is not EventType.ARTICLE_RETRACTED:
        accepted_at = one.data.get("accepted_at")
        return Published(
            event_id=one.event_id,
            time=time,
            type=one.type,
            article=archive.article_of(article, revision),
            accepted_at=datetime.fromisoformat(accepted_at) if accepted_at else None,
        )
    return Retracted(
        event_id=one.event_id,
        time=time,
        type=one.type,
        article_id=article.id,
        uri=article.uri,
        sequence=one.data["sequence"],
        url=revision.url,
        reason=one.data.get("reason"),
    )


def _endpoint_changed(one: Obligation, time: datetime) -> EndpointChanged:
    return EndpointChanged(
        event_id=one.event_id,
        time=time,
        type=one.type,
        endpoint_id=one.subject,
        reason=one.data.get("reason"),
    )
