"""Enrichment at the record: the derived is stored, the given stays, what was overtaken is dropped."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from publisher.article import ArticleStatus
from publisher.events import EventType
from publisher.outbox.obligation import Done
from publisher.retract import retract
from publisher.schema import ArticleRow, EventRow, RevisionRow
from tests.stages.articles import recorded, run_enrich


def revision(session: Session) -> RevisionRow:
    return session.scalars(select(RevisionRow).order_by(RevisionRow.sequence.desc())).first() or RevisionRow()


def test_what_the_sender_left_out_is_derived(session: Session) -> None:
    identifier = recorded(session).article_id

    run_enrich(session)

    stored = revision(session)
    assert session.get_one(ArticleRow, identifier).status == ArticleStatus.ENRICHED
    assert (stored.language, stored.slug) == ("vi", "ha-noi-mo-them-23-6-km-duong")
    assert stored.summary == stored.content_text == "Sáng 23/11, thành phố thông xe một tuyến đường mới."
    assert stored.word_count == 10
    assert stored.reading_minutes == 1
    assert set(stored.derived) == {"summary", "language", "content_text"}


def test_what_the_sender_gave_stays(session: Session) -> None:
    recorded(session, summary="Tóm tắt", language="vi-VN")

    run_enrich(session)

    stored = revision(session)
    assert (stored.summary, stored.language) == ("Tóm tắt", "vi-VN")
    assert stored.content_html == "<p>Sáng 23/11, thành phố thông xe một tuyến đường mới.</p>"
    assert stored.derived == ["content_text"]


def test_plain_text_becomes_html(session: Session) -> None:
    recorded(session, content_html=None, content_text="Một & hai.\n\nBa < bốn.")

    run_enrich(session)

    assert revision(session).content_html == "<p>Một &amp; hai.</p><p>Ba &lt; bốn.</p>"


def test_enriching_once_more_derives_anew(session: Session) -> None:
    recorded(session)
    run_enrich(session)
    stored = revision(session)
    stored.summary = "from an older version of the rules"
    session.flush()

    recorded(session, title="Sửa tiêu đề")
    run_enrich(session)

    assert revision(session).summary == "Sáng 23/11, thành phố thông xe một tuyến đường mới."


def test_a_revision_that_was_overtaken_is_dropped(session: Session) -> None:
    recorded(session)
    recorded(session, title="Bản mới")

    fates = run_enrich(session)

    events = session.scalars(select(EventRow.data).where(EventRow.type == EventType.ARTICLE_ENRICHED)).all()
    assert [event["sequence"] for event in events] == [2]
    assert Done(outcome="enriched") in fates.values()


def test_a_retracted_article_is_not_enriched(session: Session) -> None:
    identifier = recorded(session).article_id
    retract(session, identifier, reason=None)

    run_enrich(session)

    assert session.get_one(ArticleRow, identifier).status == ArticleStatus.RETRACTED
