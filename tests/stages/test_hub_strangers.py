"""The hub is a door for strangers: nonsense, floods and silence harm nobody else."""

import itertools
from collections import Counter
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.orm import Session

from publisher.database import Sessions
from publisher.notify.websub.ending import end
from publisher.notify.websub.subscriptions import MOST_OF_A_HOST, MOST_VERIFICATIONS
from publisher.schema import (
    AttemptRow,
    DeliveryRow,
    EndpointRow,
    TopicRow,
    VerificationRow,
)
from tests.readers import BOX, reading
from tests.receivers import Receivers, Reply
from tests.stages.articles import BASE_URL
from tests.stages.hub import (
    ALL,
    Callbacks,
    bring_out,
    failed_once,
    mentions,
    private_feed,
    push,
    rows,
    say,
    settled,
    subscribe,
    subscribed,
)
from tests.stages.lock_order import locks_by_id
from tests.stages.pumps import RunningPump
from tests.stages.subscribers import BODY, Subscribers
from tests.waiting import eventually

# More than a statement takes parameters.
MANY = 66_000
DELIVERED = text("""
INSERT INTO delivery (id, message_id, message_time, endpoint_id, shard, state)
SELECT gen_random_uuid(), gen_random_uuid(), now(), newest.id, shard, 'succeeded'
FROM (SELECT id, shard FROM endpoint ORDER BY id DESC LIMIT 1) AS newest, generate_series(1, :count)
""")
REFUSED = [
    ({"hub.mode": None}, 422, "hub.mode"),
    ({"hub.topic": None}, 422, "hub.topic"),
    ({"hub.callback": None}, 422, "hub.callback"),
    ({"hub.callback": "ftp://reader.example/"}, 422, "hub.callback: must start with https:// or http://"),
    ({"hub.callback": "/hook"}, 422, "hub.callback"),
    ({"hub.callback": "https://10.0.0.1/"}, 422, "hub.callback: 10.0.0.1 is a private"),
    ({"hub.callback": "https://[::1]/"}, 422, "hub.callback"),
    ({"hub.callback": "https://a:b@reader.example/"}, 422, "hub.callback"),
    ({"hub.callback": "https://reader.example/#here"}, 422, "hub.callback"),
    ({"hub.callback": f"https://reader.example/{'x' * 2048}"}, 422, "hub.callback"),
    ({"hub.callback": "https://reader.example/\r\nx: y"}, 422, "hub.callback"),
    ({"hub.topic": "https://elsewhere.example/feeds/all.atom"}, 404, "hub.topic"),
    ({"hub.topic": "/feeds/all.atom"}, 404, "hub.topic"),
    ({"hub.topic": f"{BASE_URL}/feeds/all.atom?x=1"}, 404, "hub.topic"),
    ({"hub.topic": f"{BASE_URL}/feeds/all"}, 404, "hub.topic"),
    ({"hub.topic": f"{BASE_URL}/feeds/category/nobody.atom"}, 404, "hub.topic"),
    ({"hub.topic": f"{BASE_URL}/feeds/private/prv_nobody.atom"}, 404, "hub.topic"),
    ({"hub.topic": f"{BASE_URL}/articles/x"}, 404, "hub.topic"),
    ({"hub.topic": f"{BASE_URL}/feeds/category/{'x' * 2000}.atom"}, 404, "hub.topic"),
    ({"hub.topic": "\x00'; DROP TABLE topic --"}, 404, "hub.topic"),
    ({"hub.lease_seconds": "soon"}, 422, "hub.lease_seconds"),
    ({"hub.secret": "x" * 200}, 422, "hub.secret"),
]


@pytest.mark.parametrize(("otherwise", "status", "says"), REFUSED)
def test_nonsense_is_refused_in_plain_words_and_nothing_is_stored(
    database: Sessions, hub: httpx.Client, otherwise: dict[str, str | None], status: int, says: str
) -> None:
    form = {"hub.mode": "subscribe", "hub.topic": ALL, "hub.callback": "https://127.0.0.1/", **otherwise}

    refused = hub.post("/hub", data={name: value for name, value in form.items() if value is not None})

    assert (refused.status_code, refused.headers["content-type"]) == (status, "text/plain; charset=utf-8")
    assert refused.text.startswith(says)
    assert len(refused.text) < 600
    assert rows(database, EndpointRow) == rows(database, TopicRow) == rows(database, VerificationRow) == 0


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("", b"hub.mode=subscribe", 415),
        ("application/x-www-form-urlencoded", b"hub.mode=%ff", 400),
        ("application/x-www-form-urlencoded", b"\xff\xfe", 400),
        ("application/x-www-form-urlencoded", b"a=1&" * 101, 400),
        ("application/x-www-form-urlencoded", b"a=" + b"x" * 20_000, 413),
        ("application/x-www-form-urlencoded; charset=utf-8", b"", 422),
    ],
)
def test_what_is_no_form_is_refused(hub: httpx.Client, content_type: str, body: bytes, status: int) -> None:
    refused = hub.post("/hub", content=body, headers={"content-type": content_type})

    assert (refused.status_code, refused.headers["content-type"]) == (status, "text/plain; charset=utf-8")


def test_a_host_is_neither_flooded_with_questions_nor_with_documents(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks
) -> None:
    for number in range(MOST_OF_A_HOST):
        assert say(hub, callback=callbacks.url(f"/{number}")).status_code == 202
    refused = say(hub, callback=callbacks.url("/one-more"))
    elsewhere = say(hub, callback=callbacks.url("/", host=2))
    with RunningPump(database, BOX):
        eventually(lambda: settled(database), within_s=20)
    too_many = say(hub, callback=callbacks.url("/one-more"))
    renewed = say(hub, callback=callbacks.url("/1"))

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert elsewhere.status_code == 202
    assert subscribed(database) == MOST_OF_A_HOST + 1
    assert (too_many.status_code, renewed.status_code) == (429, 202)


def test_who_says_that_a_feed_has_changed_is_thanked_and_nothing_is_done(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    subscribe(database, hub, callbacks.url())
    bring_out(database, 1)
    push(database)
    eventually(lambda: callbacks.documents() and settled(database))
    told = hub.post("/hub", data={"hub.mode": "publish", "hub.url": [ALL], "hub.topic": ALL})
    unknown = hub.post("/hub", data={"hub.mode": "publish", "hub.url": "https://elsewhere.example/"})

    assert (told.status_code, unknown.status_code) == (202, 404)
    assert push(database) == []
    assert len(callbacks.documents()) == 1


def test_a_token_that_cannot_be_read_holds_up_nobody_else(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks
) -> None:
    token, _ = private_feed(database)
    with RunningPump(database, BOX):
        subscribe(database, hub, callbacks.url(), topic=f"{BASE_URL}/feeds/private/{token}.atom")
        subscribe(database, hub, callbacks.url("/other"))
    with database.begin() as session:
        session.execute(update(TopicRow).where(TopicRow.token.is_not(None)).values(token=b"\x01nonsense"))
    bring_out(database, 1)
    push(database)
    with RunningPump(database, BOX):
        eventually(lambda: callbacks.documents("/other") and settled(database))
        # Whoever asks for it anew brings the token along.
        say(hub, callback=callbacks.url(), topic=f"{BASE_URL}/feeds/private/{token}.atom")
        eventually(lambda: len(callbacks.questions()) == 2)
        bring_out(database, 2)
        push(database)
        eventually(callbacks.documents)


def test_what_a_stranger_writes_is_not_kept(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    token, _ = private_feed(database)
    callbacks.says_yes = False
    callbacks.echoes = True
    say(hub, callback=callbacks.url(), topic=f"{BASE_URL}/feeds/private/{token}.atom")
    eventually(lambda: callbacks.questions() and rows(database, AttemptRow) == 1)

    assert not mentions(database, token)


def test_a_site_that_has_moved_is_subscribed_to_under_its_new_address(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    subscribe(database, hub, callbacks.url())
    moved = "https://moved.example"
    with reading(database, allowed_networks="127.0.0.0/8", base_url=moved) as site:
        form = {"hub.mode": "subscribe", "hub.topic": f"{moved}/feeds/all.atom"}
        assert site.post("/hub", data={**form, "hub.callback": callbacks.url("/new")}).status_code == 202

    eventually(lambda: callbacks.questions("/new"))
    assert callbacks.questions("/new")[0]["hub.topic"] == f"{moved}/feeds/all.atom"


def test_callbacks_that_hang_hold_up_nobody_else(database: Sessions, hub: httpx.Client) -> None:
    hang = Reply(status=404, held=True)
    with Receivers(lambda received: hang if received.method == "GET" else Reply()) as receivers:
        hosts = (host for host in itertools.count(2) for _ in range(MOST_OF_A_HOST))
        answers = [say(hub, callback=receivers.url(f"/{n}", host=next(hosts))) for n in range(300)]
        customers = Subscribers(database, lambda path, host: receivers.url(path, host=host), box=BOX)
        reader = customers.subscribe("/customer")
        with RunningPump(database, BOX):
            eventually(lambda: receivers.count == MOST_VERIFICATIONS)
            customers.tell(reader)
            (received,) = eventually(lambda: receivers.received("/customer"), within_s=5)
            receivers.release()

    statuses = Counter(answer.status_code for answer in answers)
    assert statuses == {202: MOST_VERIFICATIONS, 429: 300 - MOST_VERIFICATIONS}
    assert received.body == BODY


def test_who_asked_for_silence_can_still_unsubscribe(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    subscribe(database, hub, callbacks.url())
    callbacks.takes = Reply(status=503, headers={"retry-after": "86400"})
    bring_out(database, 1)
    push(database)
    eventually(lambda: failed_once(database))
    say(hub, "unsubscribe", callback=callbacks.url())

    eventually(lambda: rows(database, EndpointRow) == 0)


def test_who_renews_often_leaves_nothing_behind(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    subscribe(database, hub, callbacks.url())
    for asked in range(2, 5):
        say(hub, callback=callbacks.url())
        eventually(lambda asked=asked: len(callbacks.questions()) == asked and settled(database))

    assert rows(database, DeliveryRow) == 0


def test_a_subscription_with_more_deliveries_than_a_statement_takes_ends_like_any_other(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks
) -> None:
    with RunningPump(database, BOX):
        subscribe(database, hub, callbacks.url())
    with database.begin() as session:
        session.execute(DELIVERED, {"count": MANY})
    say(hub, "unsubscribe", callback=callbacks.url())
    with RunningPump(database, BOX):
        eventually(lambda: rows(database, EndpointRow) == 0)


def test_what_ends_with_a_subscription_is_locked_in_the_order_of_ids(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks
) -> None:
    with RunningPump(database, BOX):
        subscribe(database, hub, callbacks.url())
    with database.begin() as session:
        session.execute(text("TRUNCATE delivery"))
        session.execute(DELIVERED, {"count": 2})
        mine = session.scalars(select(EndpointRow.id)).one()
        low, high = UUID(int=1), max(session.scalars(select(DeliveryRow.id)))
        # As they lie in the table is not how they are to be locked.
        session.execute(update(DeliveryRow).where(DeliveryRow.id != high).values(id=low))

    assert locks_by_id(database, low, high, lambda session: end(session, mine))


def test_an_end_that_was_planned_with_one_delivery_takes_as_long_with_many(
    database: Sessions, engine: Engine, hub: httpx.Client, callbacks: Callbacks
) -> None:
    with RunningPump(database, BOX):
        for number in range(10):  # often enough that a plan is kept
            subscribe(database, hub, callbacks.url(f"/{number}"))
    with engine.connect() as connection, Session(connection) as session:
        *others, newest = session.scalars(select(EndpointRow.id).order_by(EndpointRow.id))
        session.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
        session.execute(text("SET LOCAL statement_timeout = '5s'"))
        session.execute(text("TRUNCATE delivery"))
        session.execute(DELIVERED, {"count": 1})
        session.execute(text("ANALYZE delivery"))
        for one in others:
            end(session, one)
        session.execute(DELIVERED, {"count": MANY})
        end(session, newest)
        left = session.scalar(select(func.count()).select_from(DeliveryRow))

    assert left == 0


def test_leases_that_ran_out_do_not_count_against_a_host(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks
) -> None:
    with RunningPump(database, BOX):
        for number in range(MOST_OF_A_HOST):
            eventually(lambda n=number: say(hub, callback=callbacks.url(f"/{n}")).status_code == 202)
        eventually(lambda: settled(database))
    with database.begin() as session:
        session.execute(update(EndpointRow).values(expires_at=func.now()))

    assert say(hub, callback=callbacks.url("/new")).status_code == 202


@pytest.mark.parametrize(
    ("spellings", "host"),
    [
        (["[::1]", "[0:0:0:0:0:0:0:1]", "[::0:1]", "[0::1]"], "::1"),
        (["localhost", "LocalHost", "localhost."], "localhost"),
    ],
)
def test_a_host_is_one_however_it_is_spelled(database: Sessions, spellings: list[str], host: str) -> None:
    bring_out(database, 0)
    with reading(database, allowed_networks="127.0.0.0/8,::1/128", allow_http=True) as hub:
        answers = [say(hub, callback=f"http://{spelling}/") for spelling in spellings]

    assert {answer.status_code for answer in answers} == {202}
    with database() as session:
        assert set(session.scalars(select(EndpointRow.host))) == {host}


def test_what_names_mean_here_is_told_to_nobody(
    database: Sessions, hub: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(name: str) -> list[str]:
        raise AssertionError(name)

    monkeypatch.setattr("publisher.notify.endpoints.destination.addresses_of", told)

    assert say(hub, callback="http://db.internal/").status_code == 202
