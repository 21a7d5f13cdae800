"""What an attempt is made with, and what the record says of it, whatever the receiver does."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from publisher.database import Sessions
from publisher.errors import InvalidInput
from publisher.notify.endpoints.endpoint_in import EndpointPatch, Reach
from publisher.notify.endpoints.store import change, rotate_secret, send_test
from publisher.notify.fan_out.happened import load_happened
from publisher.notify.fan_out.stage import prepare, store_deliveries
from publisher.notify.history.deliveries import Attempt, newest_deliveries
from publisher.notify.outcome import DeliveryState, ErrorKind
from publisher.notify.secrets.box import show_secret
from publisher.notify.wire.addresses import addresses_of
from tests.accepting import accepting
from tests.receivers import Received, Receivers, Reply
from tests.stages.articles import ARCHIVE, run
from tests.stages.pumps import RunningPump
from tests.stages.subscribers import BOX, Subscribers
from tests.waiting import eventually

SUCCEEDED, PENDING = DeliveryState.SUCCEEDED, DeliveryState.PENDING


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    with Receivers() as started:
        yield started


@pytest.fixture
def subscribers(database: Sessions, receivers: Receivers) -> Subscribers:
    return Subscribers(database, lambda path, host: receivers.url(path, host=host))


def verifies(received: Received, secret: bytes) -> bool:
    try:
        Webhook(show_secret(secret)).verify(received.body, dict(received.headers))
    except WebhookVerificationError:
        return False
    return True


def shown(some: Subscribers, endpoint: UUID) -> list[Attempt]:
    """Return the attempts of an endpoint's only delivery as clients see them."""
    with some.sessions() as session:
        (delivery,) = newest_deliveries(session, endpoint, limit=2)
    return list(delivery.attempts)


def test_url_and_secret_that_were_changed_between_two_attempts_are_used_by_the_next(
    subscribers: Subscribers, receivers: Receivers
) -> None:
    receivers.answer(lambda one: Reply(status=503 if one.path == "/old" else 204))
    reader = subscribers.subscribe("/old")
    subscribers.tell(reader)

    with RunningPump(subscribers.sessions, BOX):
        eventually(subscribers.attempts)
        with subscribers.sessions.begin() as session:
            change(session, reader, EndpointPatch(url=receivers.url("/new")))
            # The overlap of the rotation is over already.
            new, _ = rotate_secret(session, reader, box=BOX, at=datetime.now(UTC) - timedelta(days=2))
        subscribers.due_in(0)
        eventually(lambda: subscribers.all_are(SUCCEEDED))

    first, second = receivers.received()
    assert (first.path, second.path) == ("/old", "/new")
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert [verifies(first, one) for one in (subscribers.secrets[reader], new)] == [True, False]
    assert [verifies(second, one) for one in (subscribers.secrets[reader], new)] == [False, True]
    assert [(one.number, one.url, one.status) for one in shown(subscribers, reader)] == [
        (1, receivers.url("/old"), 503),
        (2, receivers.url("/new"), 204),
    ]


def test_the_headers_of_an_answer_are_kept_and_shown(subscribers: Subscribers, receivers: Receivers) -> None:
    answer = {"Server": "nginx", "X-Request-Id": "7f", "Via": "đ \x7f", "Set-Cookie": "session=4711"}
    receivers.answer(lambda _: Reply(status=200, headers=answer, body=b"ok"))
    reader = subscribers.subscribe()
    subscribers.tell(reader)

    with RunningPump(subscribers.sessions, BOX):
        eventually(lambda: subscribers.all_are(SUCCEEDED))

    (attempt,) = shown(subscribers, reader)
    assert attempt.response_headers == {
        "server": "nginx",
        "x-request-id": "7f",
        "via": "đ \x7f",
        "set-cookie": "(not kept)",
        "content-length": "2",
    }
    assert attempt.response_body == "ok"


def test_without_an_answer_there_are_no_headers(subscribers: Subscribers, receivers: Receivers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    reader = subscribers.subscribe()
    with subscribers.sessions.begin() as session:
        change(session, reader, EndpointPatch(url=f"http://127.0.0.1:{port}/"))
    subscribers.tell(reader)

    with RunningPump(subscribers.sessions, BOX):
        eventually(subscribers.attempts)

    (attempt,) = shown(subscribers, reader)
    assert (attempt.status, attempt.error, attempt.response_headers) == (None, ErrorKind.CONNECT, None)


@contextmanager
def hanging_up(head: bytes) -> Iterator[str]:
    """Yield the URL of a receiver that takes what it is sent, begins to answer, and hangs up."""

    def begin(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(head + b"content-length: 100\r\n\r\nbegun")

    with accepting(begin) as port:
        yield f"http://127.0.0.1:{port}/"


def test_what_was_taken_is_not_sent_again_although_the_receiver_hangs_up(subscribers: Subscribers) -> None:
    reader = subscribers.subscribe()

    with hanging_up(b"HTTP/1.1 202 Accepted\r\n") as url, RunningPump(subscribers.sessions, BOX):
        with subscribers.sessions.begin() as session:
            change(session, reader, EndpointPatch(url=url))
        subscribers.tell(reader)
        eventually(lambda: subscribers.all_are(SUCCEEDED))

    (attempt,) = shown(subscribers, reader)
    assert (attempt.status, attempt.error) == (202, ErrorKind.DISCONNECTED)
    assert attempt.response_body == "begun"


def test_who_asks_for_silence_and_hangs_up_gets_it(subscribers: Subscribers) -> None:
    reader = subscribers.subscribe()

    head = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 600\r\n"
    with hanging_up(head) as url, RunningPump(subscribers.sessions, BOX):
        with subscribers.sessions.begin() as session:
            change(session, reader, EndpointPatch(url=url))
        subscribers.tell(reader)
        eventually(subscribers.attempts)

    paused_until = subscribers.endpoint(reader).paused_until
    assert paused_until is not None
    assert paused_until > datetime.now(UTC) + timedelta(minutes=5)


PRIVATE = [
    "127.0.0.1",
    "localhost",
    "127.1",
    "0x7f000001",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "169.254.169.254",
    "[fd00::1]",
    "mixed.example",
]


def lookup(name: str) -> list[str]:
    """Resolve names as the system does, but for one that has a bad record beside a good one."""
    return ["93.184.216.34", "127.0.0.1"] if name == "mixed.example" else list(addresses_of(name))


@pytest.mark.parametrize("host", PRIVATE)
def test_where_webhooks_may_not_go_is_asked_at_create_test_and_send_alike(
    subscribers: Subscribers, receivers: Receivers, host: str
) -> None:
    url = f"http://{host}:{receivers.port}/"
    with pytest.raises(InvalidInput, match=r"^url: "):
        Reach(allow_http=True, lookup=lookup).check(url)
    # It came to be stored all the same: by an earlier setting, or a name that led elsewhere then.
    told, tested = subscribers.subscribe(), subscribers.subscribe()
    with subscribers.sessions.begin() as session:
        for one in (told, tested):
            change(session, one, EndpointPatch(url=url))
        send_test(session, tested)
    with subscribers.sessions.begin() as session:
        run(session, "fan_out", partial(load_happened, archive=ARCHIVE), prepare, store_deliveries)
    subscribers.tell(told)

    with RunningPump(subscribers.sessions, BOX, allowed=(), lookup=lookup):
        eventually(lambda: len(subscribers.attempts()) == 2)

    assert {one.error for one in subscribers.attempts()} <= {ErrorKind.REFUSED_ADDRESS, ErrorKind.BAD_URL}
    assert subscribers.states() == {PENDING: 2}
    assert receivers.count == 0
