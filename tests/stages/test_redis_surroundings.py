"""A Redis that is none, refuses us, or is somebody else's too: one line, and nothing of theirs is touched."""

import http.server
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from redis import Redis
from structlog.testing import capture_logs

from publisher.database import Channel, Sessions
from publisher.errors import SettingsError
from publisher.events import EventType
from publisher.ids import new_id
from publisher.outbox.emit import emit
from publisher.settings import Settings, load_settings
from tests.certificates import self_signed
from tests.free_ports import free_port
from tests.servers import bundled_servers
from tests.waiting import eventually
from workers.app import PublisherApp
from workers.embedded import Child, Program
from workers.embedded.valkey import find_valkey
from workers.listen import Listener
from workers.metrics.relaying import RelayMeters
from workers.opening import check_redis, check_redis_or_warn
from workers.relay import Relay
from workers.surroundings import redis as surroundings
from workers.surroundings.redis import RedisAway, connect_to_redis

ROOT = Path(__file__).parents[2]


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """The Redis of this test process, empty, with the policy that it had."""
    with Redis.from_url(redis_url, decode_responses=True) as client:
        client.flushdb()
        yield client
        client.flushdb()
        client.config_set("maxmemory-policy", "noeviction")


def settings_for(url: str, *, prefix: str = "publisher:") -> Settings:
    return load_settings(redis_url=url, redis_prefix=prefix)


def refusal(url: str, *, prefix: str = "publisher:") -> str:
    """Return why no process works with this Redis."""
    with pytest.raises(SettingsError) as raised:
        check_redis(settings_for(url, prefix=prefix))
    told = str(raised.value)
    assert "\n" not in told
    return told.removeprefix("PUBLISHER_REDIS_URL: ")


def address(url: str) -> str:
    """Return an URL's host, port and number, without user and password."""
    return url.rpartition("@")[2]


@contextmanager
def answering(answer: bytes, *, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve whoever connects with these bytes, by TLS if there is a context; yield the port."""
    with ExitStack() as ending:
        listening = ending.enter_context(socket.create_server(("127.0.0.1", 0)))

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with suppress(OSError), connection:
                    if context is None:
                        _say(connection, answer)
                    else:
                        with context.wrap_socket(connection, server_side=True) as secured:
                            _say(secured, answer)

        threading.Thread(target=serve, daemon=True).start()
        ending.callback(listening.shutdown, socket.SHUT_RDWR)
        yield listening.getsockname()[1]


def _say(connection: socket.socket, answer: bytes) -> None:
    connection.recv(1000)
    connection.sendall(answer)
    connection.recv(1000)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate that nobody trusts, and its key."""
    return self_signed(tmp_path / "certificate.pem", until=timedelta(days=1))


@pytest.mark.parametrize("login", ["", ":wrong@", "nobody:wrong@"])
def test_a_wrong_password_is_refused(redis_url: str, login: str) -> None:
    assert refusal(f"redis://{login}{address(redis_url)}").startswith("Redis refuses user or password (")


def test_a_user_that_may_not_reach_our_keys_is_refused(redis: Redis, redis_url: str) -> None:
    redis.acl_setuser("narrow", enabled=True, passwords=["+pw"], keys=["other:*"], commands=["+@all"])

    told = refusal(f"redis://narrow:pw@{address(redis_url)}")

    redis.acl_deluser("narrow")
    assert told.startswith("Redis does not let this user do what is needed (")


def test_a_web_server_is_no_redis() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    told = refusal(f"redis://127.0.0.1:{server.server_port}/0")

    server.shutdown()
    server.server_close()
    assert told.startswith("what answers there is no Redis")


def test_a_proxy_that_answers_with_http_is_no_redis() -> None:
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        told = refusal(f"redis://127.0.0.1:{port}/0")

    assert told.startswith("what answers there is no Redis")
    assert "HTTP/1.1 400" in told


def test_tls_that_is_expected_and_missing_is_told_in_both_directions(
    redis_url: str, certificate: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    with answering(b"-ERR\r\n", context=context) as port:
        plain_to_tls = refusal(f"redis://127.0.0.1:{port}/0")
        untrusted = refusal(f"rediss://127.0.0.1:{port}/0")
    tls_to_plain = refusal(redis_url.replace("redis:", "rediss:", 1))

    assert plain_to_tls == "what answers there expects TLS: rediss://"
    assert untrusted.startswith("cannot speak TLS there (")
    assert "certificate verify failed" in untrusted
    assert tls_to_plain == "what answers there speaks no TLS: redis://"


def test_a_node_of_a_cluster_is_refused(tmp_path: Path) -> None:
    port = free_port()
    # By itself it takes a port that lies 10,000 higher, which there may not be.
    own = f"cluster-enabled yes\ncluster-port {free_port()}"
    configuration = f"bind 127.0.0.1\nport {port}\n{own}\nsave ''\ndir {tmp_path}\n"
    cluster = Child(
        Program(
            argv=(str(find_valkey(bundled=bundled_servers())), "-"),
            stdin=configuration.encode(),
            log=tmp_path / "log",
        )
    )
    url = f"redis://127.0.0.1:{port}/0"

    def starts() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        eventually(starts)
        told = refusal(url)
    finally:
        cluster.stop()
    assert told == "is a Redis in cluster mode, expected a single server"


def test_a_redis_that_is_too_old_is_refused(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "OLDEST", (99, 1))

    assert refusal(redis_url).endswith(", expected 99.1 or newer")


def test_a_number_or_a_parameter_that_there_is_not_is_refused(redis_url: str) -> None:
    without_number = redis_url.rpartition("/")[0]

    assert refusal(f"{without_number}/4096").startswith("Redis refuses (")
    assert "colour" in refusal(f"{redis_url}?colour=red")


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "unix:///nowhere.sock"])
def test_a_redis_that_cannot_be_reached_is_no_reason_to_end(url: str) -> None:
    with pytest.raises(RedisAway):
        check_redis(settings_for(url))
    with capture_logs() as logs:
        check_redis_or_warn(settings_for(url))

    assert [one["event"] for one in logs] == ["redis.unreachable"]


def test_a_key_of_ours_that_holds_something_else_is_named_and_left_alone(
    redis: Redis, redis_url: str
) -> None:
    redis.hset("publisher:pipeline", "theirs", "1")

    told = refusal(redis_url)

    assert told == (
        "key publisher:pipeline is a hash, expected a list: somebody else uses it;"
        " choose another PUBLISHER_REDIS_PREFIX"
    )
    assert redis.hgetall("publisher:pipeline") == {"theirs": "1"}
    check_redis(settings_for(redis_url, prefix="news:"))


def test_keys_of_others_are_nothing_to_us(redis: Redis, redis_url: str) -> None:
    redis.hset("pipeline", "theirs", "1")
    redis.rpush("celery", "theirs")

    check_redis(settings_for(redis_url))

    assert (redis.hgetall("pipeline"), redis.lrange("celery", 0, -1)) == ({"theirs": "1"}, ["theirs"])


def test_a_redis_that_may_drop_messages_is_warned_of(redis: Redis, redis_url: str) -> None:
    redis.config_set("maxmemory-policy", "allkeys-lru")

    with capture_logs() as logs:
        check_redis(settings_for(redis_url))

    assert [(one["event"], one["found"]) for one in logs] == [
        ("redis.may_evict", "maxmemory-policy is allkeys-lru")
    ]
    redis.config_set("maxmemory-policy", "noeviction")
    with capture_logs() as logs:
        check_redis(settings_for(redis_url))
    assert logs == []


def test_a_relay_whose_password_is_not_taken_any_more_ends(
    database: Sessions, postgres_url: str, redis_url: str
) -> None:
    settings = load_settings(database_url=postgres_url, redis_url=f"redis://:old@{address(redis_url)}")
    asking = PublisherApp("asking", set_as_current=False)
    asking.configure(settings)
    with database.begin() as session:
        emit(session, EventType.ARTICLE_RECEIVED, new_id())

    with Listener(postgres_url, Channel.OUTBOX) as listener, connect_to_redis(settings) as redis:
        relay = Relay(asking, database, redis, meters=RelayMeters(CollectorRegistry()))
        with pytest.raises(SettingsError) as raised:
            relay.run(listener, threading.Event())

    assert str(raised.value).startswith("PUBLISHER_REDIS_URL: Redis refuses user or password (")


@pytest.mark.parametrize("process", ["relay", "worker"])
def test_a_process_ends_with_one_line_and_status_2(postgres_url: str, redis_url: str, process: str) -> None:
    environment = {
        **os.environ,
        "PUBLISHER_DATABASE_URL": postgres_url,
        "PUBLISHER_REDIS_URL": f"redis://:wrong@{address(redis_url)}",
    }

    ended = subprocess.run(
        [sys.executable, "-m", "workers", process],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    (line,) = ended.stderr.splitlines()
    assert line.startswith("publisher: PUBLISHER_REDIS_URL: Redis refuses user or password (")
    assert (ended.returncode, ended.stdout) == (2, "")
