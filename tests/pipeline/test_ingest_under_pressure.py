"""More comes in than can be stored: 429 or 503 with Retry-After, nothing half-accepted, memory bounded.

Guards: `lock_timeout`; how many `Crowd` lets in; the bytes that `BodyLimit` holds; one transaction for
an article, its event and the answer to its Idempotency-Key.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from publisher.access import create_key
from publisher.events import EventType
from tests.free_ports import free_port
from tests.pipeline.clients import Crowd, article
from tests.pipeline.system import System
from tests.waiting import eventually

# More than a web process lets in at once, and more than it has connections to the database.
CROWD, READERS = 260, 60
FIRST = 1_000_000
# Fewer than it lets in, each with nearly as much as a body may have.
SLOW_CLIENTS, SLOW_BYTES = 120, 1_900_000
# A hundred million bytes of bodies, and what sockets and the interpreter need besides.
LARGEST_GROWTH_BYTES = 200_000_000


@dataclass(frozen=True, kw_only=True)
class Web:
    """The web process, the only one that runs, and a client of it."""

    api: httpx.Client
    url: str
    key: str
    process: psutil.Process

    @property
    def memory(self) -> int:
        """The bytes of memory that it uses."""
        return int(self.process.memory_info().rss)


@pytest.fixture
def web(system: System) -> Iterator[Web]:
    """A web process that has accepted its first article."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with system.sessions.begin() as session:
        _, key = create_key(session, name="tests", scopes=["admin"])
    child = system.start("web", "--port", str(port))
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, trust_env=False) as api:
        eventually(lambda: _is_ready(api), within_s=40)
        assert api.post("/v1/articles", json=article(FIRST)).status_code == 201
        yield Web(api=api, url=url, key=key, process=psutil.Process(child.pid))


def test_a_crowd_before_a_slow_database_is_asked_to_come_back(system: System, web: Web) -> None:
    crowd = Crowd(web.url, web.key)
    (first,) = system.statuses()
    memory = web.memory

    with system.locked_table("article"):
        storming = threading.Thread(target=crowd.storm, args=(range(CROWD), READERS), daemon=True)
        storming.start()
        eventually(lambda: {429, 503} <= crowd.statuses(), within_s=40)
        assert web.api.get("/healthz").status_code == 200
    storming.join(60)
    accepted = crowd.accepted()

    assert crowd.statuses() <= {201, 429, 503}
    assert all(one.headers["retry-after"] for one in crowd.answers.values() if not one.is_success)
    assert system.statuses().keys() - {first} == accepted.keys()
    assert web.memory - memory < LARGEST_GROWTH_BYTES

    while refused := crowd.refused():
        crowd.storm(refused[:100])
    assert accepted.items() <= crowd.accepted().items()
    assert len(system.statuses()) == system.events(EventType.ARTICLE_RECEIVED) == CROWD + 1


def test_bodies_that_never_end_fill_neither_the_memory_nor_the_record(system: System, web: Web) -> None:
    memory = web.memory

    with _slow_bodies(web) as answers:
        eventually(lambda: 503 in answers(), within_s=40)
        grown = web.memory - memory
        assert web.api.get("/healthz").status_code == 200
    eventually(lambda: web.api.post("/v1/articles", json=article(1)).status_code == 201)

    assert grown < LARGEST_GROWTH_BYTES
    assert len(system.statuses()) == 2


@contextmanager
def _slow_bodies(web: Web) -> Iterator[Callable[[], list[int]]]:
    """Send many bodies without their ends; yield how to learn the statuses of those that were answered."""
    head = (
        "POST /v1/articles HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {web.key}\r\ncontent-length: {SLOW_BYTES + 1}\r\n\r\n"
    )
    with ExitStack() as open_sockets:
        senders = [_sender(web.url, open_sockets) for _ in range(SLOW_CLIENTS)]
        for sender in senders:
            with suppress(OSError):  # whoever was refused may have been cut off
                sender.sendall(head.encode() + b" " * SLOW_BYTES)
            sender.setblocking(False)  # with a timeout, a look for an answer waits for one
        yield lambda: [status for sender in senders if (status := _status(sender))]


def _sender(url: str, held: ExitStack) -> socket.socket:
    address = urlsplit(url)
    return held.enter_context(socket.create_connection((address.hostname, address.port), timeout=5))


def _status(sender: socket.socket) -> int | None:
    """Return the status of the answer, if there is one yet."""
    try:
        head = sender.recv(12, socket.MSG_PEEK)
    except OSError:
        return None
    return int(head[9:12]) if len(head) == 12 else None


def _is_ready(api: httpx.Client) -> bool:
    try:
        return api.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False
