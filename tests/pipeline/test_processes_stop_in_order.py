"""A process that is told to end (SIGTERM) finishes what it has begun; what it has not is free at once.

Guards: the web server's graceful shutdown, and its end after `_STOPPING_S`; the relay looks at `stop` between
two rounds only; Celery's warm shutdown; `Pump._leave` gives idle shards back while others still drain.
"""

import os
import socket
import threading
from collections import Counter
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from signal import SIGTERM
from uuid import UUID

import httpx
import yaml
from sqlalchemy import select, text

from publisher.access import create_key
from publisher.events import EventType
from publisher.notify.endpoints.store import SHARDS
from publisher.notify.secrets.box import SecretBox
from publisher.schema import ShardLeaseRow
from tests.pipeline.deliveries import recorded, sent
from tests.pipeline.effects import assert_seen_once
from tests.pipeline.forked import Forked
from tests.pipeline.harmed import Harm, Point, Victim
from tests.pipeline.system import SECRET_KEY, STARTS_WITHIN_S, System
from tests.receivers import Receivers, Reply
from tests.stages.subscribers import Subscribers
from tests.waiting import eventually

COMPOSE = Path(__file__).parents[2] / "docker-compose.yml"
_BLOCKED = text(
    "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE :name AND wait_event_type = 'Lock'"
)


def test_web_answers_what_was_begun_and_waits_for_nobody_for_ever(system: System) -> None:
    article = system.submit(1)
    with system.sessions.begin() as session:
        _, key = create_key(session, name="tests", scopes=["articles:write"])
    with ThreadPoolExecutor() as threads, system.start_web() as client:
        client.headers["Authorization"] = f"Bearer {key}"
        web = system.newest
        revision = {"url": "https://news.example/1", "title": "Mới", "content_text": "Nội dung mới."}
        with _endless_batch(client):
            eventually(lambda: system.events(EventType.ARTICLE_RECEIVED) == 2)
            with system.locked(article):
                begun = threads.submit(client.post, "/v1/articles", json=revision)
                eventually(lambda: _blocked(system, "publisher web%"))
                os.kill(web.pid, SIGTERM)
                eventually(lambda: _refuses(client.base_url))

            assert begun.result().json()["outcome"] == "revised"
            assert _ends_in_time(web, "web") in (0, -SIGTERM)


def test_a_relay_sends_what_it_has_leased(system: System, tmp_path: Path) -> None:
    harm = Harm(point=Point.AFTER_SENDING, signal=SIGTERM, victim=Victim.ITSELF, note=tmp_path / "harm")
    for number in range(8):
        system.submit(number)

    relay = system.start_harmed(harm, "relay")
    eventually(lambda: harm.pid, within_s=STARTS_WITHIN_S)

    assert _ends_in_time(relay, "relay") == 0
    assert system.waiting() == 8
    assert system.taken() == []


def test_a_worker_ends_its_batch_and_leaves_the_rest_to_others(system: System, tmp_path: Path) -> None:
    harm = Harm(
        point=Point.COMPUTING,
        task="enrich",
        signal=SIGTERM,
        victim=Victim.PARENT,
        note=tmp_path / "harm",
    )
    articles = [system.submit(number) for number in range(40)]
    worker = system.start_harmed(harm, "worker", "--concurrency", "2")
    relay = system.start("relay")
    eventually(lambda: harm.pid, within_s=STARTS_WITHIN_S)

    assert _ends_in_time(worker, "worker") == 0
    assert harm.survived
    assert system.steps("enrich") == system.events(EventType.ARTICLE_ENRICHED) > 0
    # It sends what it has just leased; without it, nothing is taken back.
    assert relay.stop() == 0
    assert system.taken() == []

    system.start("worker", "--concurrency", "2")
    system.start("relay")
    system.wait_until_it_goes_on()
    system.wait_until_done(within_s=10)
    assert_seen_once(system, articles)


def test_a_sender_ends_its_requests_and_gives_idle_shards_to_others_meanwhile(system: System) -> None:
    hangs = threading.Event()
    hangs.set()
    with Receivers(lambda _: Reply(held=hangs.is_set())) as receivers:
        subscribers = Subscribers(
            system.sessions, lambda path, host: receivers.url(path, host=host), box=SecretBox(SECRET_KEY)
        )
        first = system.start("sender")
        eventually(lambda: len(_shards(system)) == SHARDS, within_s=STARTS_WITHIN_S)
        (holder,) = set(_shards(system).values())
        system.start("sender")
        eventually(
            lambda: set(Counter(_shards(system).values()).values()) == {SHARDS // 2}, within_s=STARTS_WITHIN_S
        )
        mine = {shard for shard, held in _shards(system).items() if held == holder}
        slow, *quick = _subscribe_one_a_shard(subscribers, mine)
        subscribers.tell(slow)
        eventually(lambda: receivers.count == 1)
        hangs.clear()

        os.kill(first.pid, SIGTERM)
        eventually(lambda: list(_shards(system).values()).count(holder) == 1)
        subscribers.tell(*quick)
        eventually(lambda: system.deliveries("succeeded") == len(quick))
        assert first.running
        receivers.release()

        assert _ends_in_time(first, "sender") == 0
        system.wait_until_delivered(within_s=1)
        assert sent(receivers) == recorded(system)
        assert set(recorded(system).values()) == {1}


def _ends_in_time(child: Forked, service: str) -> int | None:
    """Return how a process ended, or None if docker-compose would have killed it."""
    grace = yaml.safe_load(COMPOSE.read_text())["services"][service]["stop_grace_period"]
    return child.wait(within=timedelta(seconds=int(grace.removesuffix("s"))))


def _endless_batch(client: httpx.Client) -> socket.socket:
    """Return a connection whose request has begun, and will not end."""
    line = b'{"guid": "test:2", "title": "B\xc3\xa0i", "content_text": "N\xc6\xb0\xe1\xbb\x9bc."}\n'
    head = (
        "POST /v1/articles:batch HTTP/1.1\r\nHost: news.example\r\nTransfer-Encoding: chunked\r\n"
        f"Content-Type: application/x-ndjson\r\nAuthorization: {client.headers['Authorization']}\r\n\r\n"
    )
    connection = socket.create_connection((client.base_url.host, client.base_url.port), timeout=20)
    connection.sendall(head.encode() + b"%x\r\n%b\r\n" % (len(line), line))
    return connection


def _blocked(system: System, application_name: str) -> int:
    with system.sessions() as session:
        return session.scalar(_BLOCKED, {"name": application_name}) or 0


def _refuses(base_url: httpx.URL) -> bool:
    try:
        httpx.get(base_url, trust_env=False)
    except httpx.ConnectError:
        return True
    return False


def _shards(system: System) -> dict[int, UUID]:
    """Return the holders of the shards that are held."""
    with system.sessions() as session:
        rows = session.execute(select(ShardLeaseRow.shard, ShardLeaseRow.holder))
        return {row.shard: row.holder for row in rows if row.holder is not None}


def _subscribe_one_a_shard(subscribers: Subscribers, shards: Collection[int]) -> list[UUID]:
    """Return endpoints, each in another one of these shards."""
    endpoints = [subscribers.subscribe(f"/{host}", host=host) for host in range(1, 41)]
    by_shard = {subscribers.endpoint(one).shard: one for one in endpoints}
    return [endpoint for shard, endpoint in by_shard.items() if shard in shards]
