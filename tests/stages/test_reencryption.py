"""Another secret key: what was stored under the old one is encrypted anew, while everybody works."""

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import LargeBinary, insert, select, text
from standardwebhooks.webhooks import Webhook

from publisher import reencryption
from publisher.access import Scope
from publisher.database import Sessions
from publisher.encrypted import EVERYTHING
from publisher.ids import new_id
from publisher.notify.endpoints.endpoint_in import EndpointIn
from publisher.notify.endpoints.store import create, remove, rotate_secret
from publisher.notify.secrets.box import KeyAge, SecretBox, new_secret, show_secret
from publisher.notify.secrets.endpoint_secrets import Rotation, live_secrets
from publisher.notify.websub.subscriptions import confirm
from publisher.private_feeds import digest_of
from publisher.reencryption import Tally, look_through, reencrypt_all
from publisher.schema import EndpointSecretRow, Row, TopicRow, VerificationRow
from tests.databases import until_somebody_waits
from tests.readers import BOX as HUB_BOX
from tests.receivers import Receivers
from tests.stages.api_server import article, running_api
from tests.stages.articles import BASE_URL
from tests.stages.command import Publisher
from tests.stages.hub import Callbacks, private_feed, say
from tests.stages.pumps import RunningPump
from tests.stages.subscribers import Subscribers
from tests.waiting import eventually

OLD_KEY, NEW_KEY = "a secret key for tests only", "the key that comes after it"
OLD, NEW, BOTH = SecretBox(OLD_KEY), SecretBox(NEW_KEY), SecretBox(NEW_KEY, old=[OLD_KEY])
NAMES = [of.name for of in EVERYTHING]
# What is stored as bytes, and is not encrypted.
PLAIN = ("digest", ".body", "endpoint.filter_hash")


@pytest.fixture
def publisher(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> Publisher:
    """Runs a command with the new key, and the old one beside it."""
    monkeypatch.setenv("PUBLISHER_SECRET_KEY", NEW_KEY)
    monkeypatch.setenv("PUBLISHER_OLD_SECRET_KEYS", OLD_KEY)
    monkeypatch.setattr("workers.commands.secrets._PAUSE_S", 0.0)
    return publisher


def fill(database: Sessions, count: int, *, box: SecretBox = OLD) -> dict[UUID, bytes]:
    """Store secrets of an endpoint; return them by their rows."""
    endpoint_id = Subscribers(database, box=box).subscribe()
    made = {new_id(): new_secret() for _ in range(count - 1)}
    rows = [
        {
            "id": identifier,
            "endpoint_id": endpoint_id,
            "encrypted": box.encrypt(secret, owner=endpoint_id.bytes),
            "created_at": datetime.now(UTC),
        }
        for identifier, secret in made.items()
    ]
    with database.begin() as session:
        session.execute(insert(EndpointSecretRow), rows)
    return made


def ages(database: Sessions, box: SecretBox = BOTH) -> Tally:
    """Return which keys open everything."""
    with database() as session:
        return sum(look_through(session, box, EVERYTHING).values(), Tally())


def run(database: Sessions, box: SecretBox = BOTH) -> Tally:
    found = reencrypt_all(database, box, wait=lambda: None, tell=lambda _: None)
    return sum(found.values(), Tally())


def test_every_column_of_bytes_is_known_as_encrypted_or_plain() -> None:
    columns = {
        f"{table.name}.{column.name}"
        for table in Row.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    encrypted = {f"{of.name}.{of.column.key}" for of in EVERYTHING}

    assert {name for name in columns if not name.endswith(PLAIN)} == encrypted


def test_everything_that_is_stored_encrypted_opens_with_the_new_key_alone_afterwards(
    database: Sessions, postgres_url: str, hub: httpx.Client, callbacks: Callbacks
) -> None:
    assert HUB_BOX.age(OLD.encrypt(b"x", owner=b"y"), owner=b"y") is KeyAge.CURRENT
    some = Subscribers(database, box=OLD)
    endpoint_id = some.subscribe()
    token, _ = private_feed(database)
    topic = f"{BASE_URL}/feeds/private/{token}.atom"
    assert say(hub, callback=callbacks.url(), topic=topic, secret="a subscriber's secret").status_code == 202
    headers, given = {"Idempotency-Key": "once"}, article()
    with running_api(postgres_url, secret_key=OLD_KEY) as before, before.client(Scope.ADMIN) as client:
        first = client.post("/v1/articles", json=given, headers=headers)
        own = dict(client.headers)
    assert {name: one.old for name, one in tables(database).items()} == dict.fromkeys(NAMES, 1)

    done = run(database)

    assert (done.reencrypted, done.current, done.old, done.unknown) == (4, 4, 0, 0)
    with database() as session:
        assert live_secrets(session, [endpoint_id], box=NEW, at=datetime.now(UTC)) == {
            endpoint_id: (some.secrets[endpoint_id],)
        }
        kept = session.scalars(select(TopicRow).where(TopicRow.digest == digest_of(token))).one()
        assert kept.token is not None
        assert NEW.decrypt(kept.token, owner=kept.id.bytes) == token.encode()
        asked = session.scalars(select(VerificationRow)).one()
        assert asked.secret is not None
        assert NEW.decrypt(asked.secret, owner=asked.endpoint_id.bytes) == b"a subscriber's secret"
    with running_api(postgres_url, secret_key=NEW_KEY) as after:
        again = httpx.post(
            f"{after.url}/v1/articles", json=given, headers={**own, **headers}, trust_env=False
        )
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"


def tables(database: Sessions) -> Any:
    with database() as session:
        return look_through(session, BOTH, EVERYTHING)


@pytest.mark.parametrize("slices", range(1, 5))
def test_a_subscription_that_is_confirmed_meanwhile_is_not_missed(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, slices: int
) -> None:
    assert say(hub, callback=callbacks.url(), secret="a subscriber's secret").status_code == 202
    looked = itertools.count(1)

    def tell(_: int) -> None:
        if next(looked) == slices:
            with database.begin() as session:
                confirm(session, session.scalars(select(VerificationRow.id)).one())

    reencrypt_all(database, BOTH, wait=lambda: None, tell=tell)

    with database() as session:
        (kept,) = session.scalars(select(EndpointSecretRow)).all()
    assert NEW.decrypt(kept.encrypted, owner=kept.endpoint_id.bytes) == b"a subscriber's secret"


def test_once_more_changes_nothing(database: Sessions) -> None:
    fill(database, 1_203)
    first = run(database)
    with database() as session:
        stored = session.execute(select(EndpointSecretRow.id, EndpointSecretRow.encrypted)).all()

    again = run(database)

    assert (first.reencrypted, again.reencrypted, again.current) == (1_203, 0, 1_203)
    with database() as session:
        assert set(stored) == set(
            session.execute(select(EndpointSecretRow.id, EndpointSecretRow.encrypted)).all()
        )


def test_what_nobody_decrypts_again_is_not_counted(database: Sessions) -> None:
    endpoint_id = Subscribers(database, box=OLD).subscribe()
    with database.begin() as session:
        rotate_secret(session, endpoint_id, box=NEW, at=datetime.now(UTC) - timedelta(days=2))

    assert (ages(database, NEW).current, ages(database, NEW).unknown) == (1, 0)


@contextmanager
def stopping_at(database: Sessions, row: UUID) -> Iterator[None]:
    """Whoever changes this secret waits for a lock, until the block ends."""
    with database.begin() as session:
        session.execute(
            text(
                "CREATE FUNCTION hesitate() RETURNS trigger LANGUAGE plpgsql"
                " AS 'BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END'"
            )
        )
        session.execute(
            text(
                "CREATE TRIGGER hesitate BEFORE UPDATE ON endpoint_secret"
                f" FOR EACH ROW WHEN (OLD.id = '{row}') EXECUTE FUNCTION hesitate()"
            )
        )
    try:
        # A session of its own, outside of a transaction: those that idle in one are ended.
        with database.kw["bind"].connect().execution_options(isolation_level="AUTOCOMMIT") as holding:
            holding.execute(text("SELECT pg_advisory_lock(4711)"))
            yield
            holding.execute(text("SELECT pg_advisory_unlock(4711)"))
    finally:
        with database.begin() as session:
            session.execute(text("DROP FUNCTION hesitate() CASCADE"))


def test_killed_half_way_it_goes_on_where_it_was(
    database: Sessions, publisher: Publisher, tmp_path: Path
) -> None:
    made = fill(database, 1_300)
    seventh_hundredth = sorted(made)[700]

    with stopping_at(database, seventh_hundredth):
        with subprocess.Popen(
            [sys.executable, "-m", "workers", "secret", "reencrypt"],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            cwd=tmp_path,
        ) as killed:
            until_somebody_waits(database, within_s=60)
            killed.kill()
        assert killed.returncode == -9
    half = ages(database)
    ended = publisher("secret", "reencrypt", "--json")

    assert (half.current, half.old, half.unknown) == (500, 800, 0)
    assert (ended.status, ended.json["reencrypted"], ended.json["current"]) == (0, 800, 1_300)
    assert (ages(database, NEW).current, ages(database, NEW).unknown) == (1_300, 0)
    with database() as session:
        for row in session.scalars(select(EndpointSecretRow).where(EndpointSecretRow.id.in_(made))):
            assert NEW.decrypt(row.encrypted, owner=row.endpoint_id.bytes) == made[row.id]


def test_two_at_once_do_the_work_of_one(database: Sessions) -> None:
    made = fill(database, 3_000)

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: run(database), range(3)))

    assert sum(one.reencrypted for one in done) == 3_000
    assert [(one.current, one.old, one.unknown) for one in done] == [(3_000, 0, 0)] * 3
    with database() as session:
        for row in session.scalars(select(EndpointSecretRow).where(EndpointSecretRow.id.in_(made))):
            assert NEW.decrypt(row.encrypted, owner=row.endpoint_id.bytes) == made[row.id]


def test_endpoints_are_made_rotated_and_deleted_meanwhile(database: Sessions) -> None:
    some = Subscribers(database, box=OLD)
    known = [some.subscribe() for _ in range(40)]
    over = threading.Event()
    live: dict[UUID, list[bytes]] = {identifier: [some.secrets[identifier]] for identifier in known}

    def work(number: int) -> None:
        # One web process has the new key already, the other one not yet.
        box = BOTH if number % 2 else SecretBox(OLD_KEY, old=[NEW_KEY])
        for identifier in known[number::4]:
            with database.begin() as session:
                own = new_secret()
                rotate_secret(session, identifier, box=box, at=datetime.now(UTC), wanted=Rotation(secret=own))
            live[identifier].insert(0, own)
            with database.begin() as session:
                endpoint, secret = create(session, EndpointIn(url="https://example.com/"), box=box)
            live[endpoint.id] = [secret]
            with database.begin() as session:
                remove(session, create(session, EndpointIn(url="https://example.com/"), box=box)[0].id)

    def go_on() -> None:
        while not over.is_set():
            run(database)

    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(go_on) for _ in range(2)]
        for one in [pool.submit(work, number) for number in range(4)]:
            one.result()
        over.set()
        for one in running:
            one.result()
    last = run(database)

    assert (last.old, last.unknown, last.current) == (0, 0, 120)
    with database() as session:
        found = live_secrets(session, [*live], box=NEW, at=datetime.now(UTC))
    assert {identifier: tuple(secrets) for identifier, secrets in live.items()} == found


def test_a_sender_sends_on_meanwhile_and_signs_as_before(database: Sessions) -> None:
    with Receivers() as receivers:
        some = Subscribers(database, lambda path, host: receivers.url(path, host=host), box=OLD)
        readers = {f"/{number}": some.subscribe(f"/{number}") for number in range(20)}
        with RunningPump(database, BOTH):
            for _ in range(10):
                some.tell(*readers.values())
                run(database)
            eventually(lambda: receivers.count >= 200)
        with RunningPump(database, NEW):
            some.tell(*readers.values())
            eventually(lambda: receivers.count >= 220)

    assert {one.state for one in some.deliveries()} == {"succeeded"}
    for received in receivers.received():
        secret = some.secrets[readers[received.path]]
        assert Webhook(show_secret(secret)).verify(received.body, dict(received.headers))


def test_what_somebody_holds_is_left_and_nobody_waits(
    database: Sessions, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reencryption, "MOST_PASSES", 2)
    made = fill(database, 5)

    with database.begin() as holding:
        holding.execute(select(EndpointSecretRow).where(EndpointSecretRow.id == min(made)).with_for_update())
        ended = publisher("secret", "reencrypt", "--json")
    after = publisher("secret", "reencrypt", "--json")

    assert (ended.status, ended.json["reencrypted"], ended.json["old"]) == (1, 4, 1)
    assert ended.complaint == "1 still need one of PUBLISHER_OLD_SECRET_KEYS: keep it"
    assert (after.status, after.json["reencrypted"], after.json["old"]) == (0, 1, 0)


def test_a_dry_run_tells_which_keys_are_needed_and_changes_nothing(
    database: Sessions, publisher: Publisher
) -> None:
    fill(database, 3)

    ended = publisher("secret", "reencrypt", "--dry-run", "--json")
    for_people = publisher("secret", "reencrypt", "--dry-run")

    assert ended.status == 1
    table = ended.json["tables"].pop("endpoint_secret")
    assert table == {"current": 0, "old": 3, "unknown": 0, "reencrypted": 0}
    assert ended.json["old"] == 3
    assert for_people.out.splitlines()[0].split() == ["table", "current", "old", "unknown", "reencrypted"]
    assert for_people.out.splitlines()[-1].split() == ["all", "0", "3", "0", "0"]
    assert ages(database).old == 3


def test_what_no_key_opens_is_named_and_the_rest_is_done(database: Sessions, publisher: Publisher) -> None:
    lost = Subscribers(database, box=SecretBox("a key that nobody has any more")).subscribe()
    fill(database, 3)

    ended = publisher("secret", "reencrypt", "--json")

    assert (ended.status, ended.json["reencrypted"], ended.json["unknown"]) == (1, 3, 1)
    assert ended.complaint == f"endpoint_secret: 1 can be read with no key; of {lost}"


def test_without_a_key_it_is_a_setting_that_is_missing(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PUBLISHER_SECRET_KEY")

    ended = publisher("secret", "reencrypt")

    assert (ended.status, ended.out) == (2, "")
    assert ended.complaint == "PUBLISHER_SECRET_KEY: is not set, and this command needs it"


def test_without_old_keys_there_is_nothing_to_do(
    database: Sessions, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLISHER_OLD_SECRET_KEYS", "")
    fill(database, 2, box=NEW)

    ended = publisher("secret", "reencrypt", "--json")

    assert (ended.status, ended.json["current"], ended.json["reencrypted"]) == (0, 2, 0)
