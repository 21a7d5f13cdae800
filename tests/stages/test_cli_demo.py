"""The parts of the demo: its subscriber, its readers of feeds, its table and its verdict."""

import io
import json
import time
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from feeds.feed import FeedFormat
from publisher.notify.secrets.box import new_secret, show_secret
from publisher.notify.signature import sign
from workers.demo.board import Board, Journey, Stage
from workers.demo.farewell import curl_line
from workers.demo.readers import ids_in
from workers.demo.screen import PlainScreen, journeys_table
from workers.demo.subscriber import Subscriber, subscribed

SECRET = new_secret()
BODY = json.dumps(
    {"type": "article.published", "data": {"id": "an id", "sequence": 2, "title": "Mưa lớn"}}
).encode()


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    """A subscriber that listens."""
    with subscribed() as subscriber:
        yield subscriber


def send(
    subscriber: Subscriber, *, secret: bytes = SECRET, message_id: str = "msg_1", body: bytes = BODY
) -> int:
    timestamp = int(time.time())
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign([secret], message_id=message_id, timestamp=timestamp, body=body),
    }
    return httpx.post(subscriber.url, content=body, headers=headers, trust_env=False).status_code


def test_what_is_signed_is_taken_and_counted_once(subscriber: Subscriber) -> None:
    subscriber.trust(show_secret(SECRET))

    statuses = [send(subscriber), send(subscriber), send(subscriber, message_id="msg_2")]

    assert statuses == [204, 204, 204]
    assert [one.message_id for one in subscriber.received] == ["msg_1", "msg_2"]
    first = subscriber.received[0]
    assert (first.verified, first.type, first.article_id, first.sequence) == (
        True,
        "article.published",
        "an id",
        2,
    )


def test_what_somebody_else_signed_is_refused_until_the_right_one_comes(subscriber: Subscriber) -> None:
    subscriber.trust(show_secret(SECRET))

    forged = send(subscriber, secret=new_secret())
    verified_before = [one.verified for one in subscriber.received]
    right = send(subscriber)

    assert (forged, right) == (401, 204)
    assert verified_before == [False]
    assert [one.verified for one in subscriber.received] == [True]


def test_nonsense_is_remembered_as_unreadable(subscriber: Subscriber) -> None:
    subscriber.trust(show_secret(SECRET))

    statuses = [
        send(subscriber, message_id=str(n), body=body) for n, body in enumerate([b"", b"[]", b"\xff"])
    ]

    assert statuses == [204, 204, 204]
    assert {one.type for one in subscriber.received} == {"unreadable"}


@given(st.binary(max_size=200), st.sampled_from(FeedFormat))
def test_a_document_that_cannot_be_read_shows_nothing(body: bytes, feed_format: FeedFormat) -> None:
    assert ids_in(feed_format, body) == {}


TITLES = st.text(st.characters(categories=["L", "M", "N", "P", "S", "Zs"]), min_size=1, max_size=200)
REACHED = st.dictionaries(st.sampled_from(Stage), st.floats(min_value=0, max_value=60))


@given(st.lists(st.builds(Journey, title=TITLES, reached=REACHED), max_size=3))
def test_the_table_fits_eighty_columns_whatever_the_titles(journeys: list[Journey]) -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=False, color_system=None)

    console.print(journeys_table(journeys, width=80))

    lines = out.getvalue().splitlines()
    assert len(lines) == len(journeys) + 1
    assert max(map(cell_len, lines)) <= 80


def test_plain_lines_come_in_the_order_of_events_and_once() -> None:
    out = io.StringIO()
    screen = PlainScreen(Console(file=out, width=80, force_terminal=False, color_system=None))
    board = Board(["Một [bold]", "Hai"])
    for number in range(2):
        board.change(number, sent_at=100.0 + number)

    board.reach(1, Stage.RECEIVED, at=101.5)
    board.reach(0, Stage.RECEIVED, at=100.25)
    board.reach(0, Stage.RECEIVED, at=109.0)
    screen.show(board)
    board.change(1, note="scheduled")
    screen.show(board)
    screen.show(board)

    assert out.getvalue().splitlines() == [
        "received    0.25 s  Một [bold]",
        "received    0.50 s  Hai",
        "scheduled: Hai",
    ]


def test_the_curl_line_goes_past_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example")

    assert "--noproxy '*'" in curl_line("http://127.0.0.1:8000", "pub_x")
