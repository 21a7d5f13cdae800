"""What subscribers of feeds are sent and asked, and what their answers mean."""

import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from publisher.notify.outcome import Answer, Consequence, DeliveryState, ErrorKind
from publisher.notify.websub.distribution import PAUSES, Distribution
from publisher.notify.websub.form import Mode
from publisher.notify.websub.verification import Verification

AT = datetime(2026, 11, 29, tzinfo=UTC)
CALLBACK = "https://reader.example/hook"
TOPIC = "https://news.example/feeds/category/xa-hoi.atom?a=1&b=Đ"
ASKED = Verification(mode=Mode.SUBSCRIBE, topic=TOPIC, challenge="a-challenge", lease_s=3600)
DOCUMENT = Distribution(
    sequence=7,
    content_type="application/atom+xml; charset=utf-8",
    link='<https://news.example/hub>; rel="hub", <https://news.example/feeds/all.atom>; rel="self"',
    body="<feed>Đường</feed>".encode(),
)


def url_of(question: Verification, callback: str) -> str:
    return question.request(callback, at=AT, traceparent=None).url


@pytest.mark.parametrize(
    ("callback", "begins"),
    [
        (CALLBACK, CALLBACK + "?hub.mode="),
        (CALLBACK + "?a=%2F&hub.mode=mine", CALLBACK + "?a=%2F&hub.mode=mine&hub.mode="),
        (CALLBACK + "?", CALLBACK + "?hub.mode="),
        (CALLBACK + "?a=b&", CALLBACK + "?a=b&hub.mode="),
    ],
)
def test_what_the_callback_asks_already_stays_as_it_is(callback: str, begins: str) -> None:
    assert url_of(ASKED, callback).startswith(begins)


def test_a_question_says_all_that_it_is_about() -> None:
    said = parse_qsl(urlsplit(url_of(ASKED, CALLBACK)).query, strict_parsing=True)

    assert said == [
        ("hub.mode", "subscribe"),
        ("hub.topic", TOPIC),
        ("hub.challenge", "a-challenge"),
        ("hub.lease_seconds", "3600"),
    ]
    assert ASKED.request(CALLBACK, at=AT, traceparent=None).method == "GET"


def test_a_denial_has_a_reason_and_asks_nothing() -> None:
    denied = Verification(mode=Mode.DENIED, topic=TOPIC, reason="this feed was revoked")

    said = dict(parse_qsl(urlsplit(url_of(denied, CALLBACK)).query, strict_parsing=True))

    assert said == {"hub.mode": "denied", "hub.topic": TOPIC, "hub.reason": "this feed was revoked"}


@pytest.mark.parametrize(
    ("answer", "confirmed"),
    [
        (Answer(status=200, body=b"a-challenge"), True),
        (Answer(status=299, body=b"a-challenge"), True),
        (Answer(status=200, body=b"a-challenge\n"), False),
        (Answer(status=200, body=b"A-CHALLENGE"), False),
        (Answer(status=204), False),
        (Answer(status=301, body=b"a-challenge"), False),
        (Answer(status=404, body=b"a-challenge"), False),
        (Answer(status=410), False),
        (Answer(status=503, body=b"a-challenge"), False),
        (Answer(status=200, body=b"a-challenge", error=ErrorKind.TIMEOUT), False),
        (Answer(error=ErrorKind.TIMEOUT), False),
        (Answer(error=ErrorKind.REFUSED_ADDRESS), False),
    ],
)
def test_yes_is_the_challenge_and_nothing_else(answer: Answer, confirmed: bool) -> None:
    outcome = ASKED.judge(answer, attempts=1, at=AT, jitter=0)

    assert outcome.state is (DeliveryState.SUCCEEDED if confirmed else DeliveryState.CANCELLED)
    assert outcome.consequence is (Consequence.CONFIRMED if confirmed else Consequence.NOT_CONFIRMED)


@pytest.mark.parametrize("answer", [Answer(status=200), Answer(status=500), Answer(error=ErrorKind.DNS)])
def test_who_was_denied_is_subscribed_no_more_whatever_it_says(answer: Answer) -> None:
    denied = replace(ASKED, mode=Mode.DENIED, challenge="", lease_s=None)

    assert denied.judge(answer, attempts=1, at=AT, jitter=0).consequence is Consequence.DENIED


def test_a_document_is_sent_as_it_is_served_and_unsigned_without_a_secret() -> None:
    request = DOCUMENT.request(CALLBACK, at=AT, traceparent=None)

    assert (request.method, request.url, request.body) == ("POST", CALLBACK, DOCUMENT.body)
    assert request.headers["content-type"] == DOCUMENT.content_type
    assert request.headers["link"] == DOCUMENT.link
    assert "x-hub-signature" not in request.headers


def test_a_document_is_signed_with_the_secret() -> None:
    request = replace(DOCUMENT, secret=b"bi mat").request(CALLBACK, at=AT, traceparent=None)

    digest = hmac.new(b"bi mat", request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-hub-signature"] == f"sha256={digest}"


def test_who_is_gone_is_subscribed_no_more() -> None:
    outcome = DOCUMENT.judge(Answer(status=410), attempts=1, at=AT, jitter=0)

    assert outcome.consequence is Consequence.SUBSCRIPTION_OVER


@pytest.mark.parametrize("answer", [Answer(status=302), Answer(status=500), Answer(error=ErrorKind.CONNECT)])
def test_a_document_is_tried_again_until_it_is_dropped_and_the_subscription_stays(answer: Answer) -> None:
    tries = range(1, len(PAUSES) + 2)
    outcomes = [DOCUMENT.judge(answer, attempts=tried, at=AT, jitter=0) for tried in tries]

    waits = [one.next_attempt_at - AT for one in outcomes if one.next_attempt_at]
    assert waits == list(PAUSES)
    assert [one.state for one in outcomes[-2:]] == [DeliveryState.PENDING, DeliveryState.FAILED]
    assert {one.consequence for one in outcomes} == {None}


def test_who_asks_for_silence_gets_it() -> None:
    answer = Answer(status=429, headers={"retry-after": "90"})

    outcome = DOCUMENT.judge(answer, attempts=1, at=AT, jitter=0)

    assert outcome.paused_until == outcome.next_attempt_at == AT + timedelta(seconds=90)
