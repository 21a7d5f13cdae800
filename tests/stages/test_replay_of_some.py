"""A replay of what a filter chooses: by type, by category, of one article."""

import pytest
from pydantic import ValidationError
from sqlalchemy.orm import Session

from publisher.ids import new_id
from publisher.notify.endpoints.filters import Filter
from publisher.notify.replaying.past import Past, Window, past_of
from publisher.notify.replaying.replay_in import ReplayIn
from tests.stages.told import (
    AT,
    FAILED,
    HELD,
    HOUR,
    SUCCEEDED,
    again,
    article,
    deliver,
    endpoint,
    message,
    standing,
)

SINCE = "2026-05-04T03:02:01Z"


def test_only_messages_of_these_types_are_sent_again(session: Session) -> None:
    mine = endpoint(session, event_types=["*"])
    kinds = ("article.published", "article.corrected", "endpoint.disabled")
    stopped = {one: message(session, None, None, kind=one) for one in kinds}
    for told in stopped.values():
        deliver(session, mine, told, FAILED)
    missing = {one: message(session, article(session), kind=one) for one in kinds[:2]}

    corrected = again(session, mine, only=Filter(event_types=("article.corrected",)))
    after_corrected = set(standing(session, mine).items())
    rest = again(session, mine, only=Filter(event_types=("endpoint.*",)))

    assert (corrected, rest) == (2, 1)
    assert after_corrected == {
        (stopped["article.published"].id, "failed"),
        (stopped["article.corrected"].id, "pending"),
        (missing["article.corrected"].id, "pending"),
        (stopped["endpoint.disabled"].id, "failed"),
    }
    assert standing(session, mine)[stopped["endpoint.disabled"].id] == "pending"


def test_only_articles_of_these_categories_are_sent_again(session: Session) -> None:
    mine = endpoint(session)
    society, economy = article(session, categories=["xa-hoi"]), article(session, categories=["kinh-te"])
    wanted, other = message(session, society), message(session, economy)
    deliver(session, mine, wanted, HELD)
    deliver(session, mine, other, HELD)
    missing = message(session, article(session, categories=["xa-hoi"]))
    message(session, article(session))

    replayed = again(session, mine, only=Filter(event_types=("*",), categories=("Xã hội",)))

    assert replayed == 2
    assert standing(session, mine) == {wanted.id: "pending", other.id: "held", missing.id: "pending"}


def test_categories_keep_no_takedown_from_those_who_had_the_article(session: Session) -> None:
    mine = endpoint(session)
    gone = article(session)
    deliver(session, mine, message(session, gone, body=None), SUCCEEDED, attempts=1)
    retraction = message(session, gone, 2, kind="article.retracted")

    replayed = again(session, mine, only=Filter(event_types=("*",), categories=("Xã hội",)))

    assert replayed == 1
    assert standing(session, mine)[retraction.id] == "pending"


def test_only_one_article_is_sent_again(session: Session) -> None:
    mine = endpoint(session)
    wanted, failed, missing = article(session), article(session), article(session)
    first = message(session, wanted)
    deliver(session, mine, first, FAILED)
    other = message(session, failed)
    deliver(session, mine, other, FAILED)
    lacking = message(session, missing)

    assert again(session, mine, article_id=wanted) == 1
    assert standing(session, mine) == {first.id: "pending", other.id: "failed"}
    assert again(session, mine, article_id=missing) == 1
    assert again(session, mine, article_id=new_id()) == 0
    assert lacking.id in standing(session, mine)


def test_what_is_wanted_can_be_put_off() -> None:
    wanted = ReplayIn.model_validate(
        {
            "since": SINCE,
            "until": "2026-05-04T04:02:01Z",
            "states": ["failed"],
            "event_types": ["article.*"],
            "categories": ["Xã hội"],
            "article_id": "01a20d33-7bd5-7d1d-8b7e-35e6c19a4f11",
            "rate_per_s": 2.5,
        }
    ).past

    assert past_of(wanted.as_json()) == wanted
    assert wanted.window == Window(since=AT, until=AT + HOUR)
    assert past_of(Past(window=Window(since=AT)).as_json()) == Past(window=Window(since=AT))


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("event_types", []),
        ("event_types", ["article.deleted"]),
        ("event_types", "article.*"),
        ("event_types", None),
        ("categories", []),
        ("categories", [" "]),
        ("categories", "Xã hội"),
        ("article_id", "tag:news.example,2026-05-04:article/7"),
        ("article_id", 7),
        ("article_id", ""),
        ("rate_per_s", 0),
        ("rate_per_s", -1),
        ("rate_per_s", 1001),
        ("rate_per_s", "5"),
        ("rate_per_s", True),
        ("event_type", ["article.*"]),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(member: str, value: object) -> None:
    with pytest.raises(ValidationError) as refusal:
        ReplayIn.model_validate({"since": SINCE, member: value})

    assert {member} == {error["loc"][0] for error in refusal.value.errors()}
