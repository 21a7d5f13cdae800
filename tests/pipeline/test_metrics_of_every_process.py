"""Every process answers scrapes; a worker for all that it forked, whoever of them dies.

Guards: the wire between the processes of a worker (`workers/metrics/wire.py`), over which each message is
told at once; the counting after the commit (`workers/batch.py`, `publisher/api/reporting.py`).
"""

import os
import signal
from collections.abc import Mapping

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from publisher.access import create_key
from tests.free_ports import free_port
from tests.pipeline.forked import Forked
from tests.pipeline.system import System
from tests.receivers import Receivers
from tests.waiting import eventually

PROCESSES = ("relay", "worker", "sender", "web")
# Four processes load their modules at once.
_STARTED_WITHIN_S = 40


def scrape(port: int) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return every sample that a process shows."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=10).text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(port: int, name: str, **labels: str) -> float | None:
    return scrape(port).get((name, frozenset(labels.items())))


def start_all(system: System) -> tuple[Mapping[str, int], Mapping[str, Forked], httpx.Client]:
    """Start one process of each kind; return where they answer scrapes, and a client of the API."""
    ports = {name: free_port() for name in PROCESSES}
    settings = {name: {"PUBLISHER_METRICS_PORT": str(port)} for name, port in ports.items()}
    children = {
        "relay": system.start("relay", **settings["relay"]),
        "worker": system.start("worker", "--concurrency", "1", **settings["worker"]),
        "sender": system.start("sender", **settings["sender"]),
    }
    with system.sessions.begin() as session:
        _, key = create_key(session, name="tests", scopes=["admin"])
    client = system.start_web(**settings["web"])
    client.headers["Authorization"] = f"Bearer {key}"
    return ports, children, client


def forked_by(worker: Forked) -> list[int]:
    return [child.pid for child in psutil.Process(worker.pid).children()]


def post(api: httpx.Client, number: int) -> None:
    body = {"guid": f"test:{number}", "title": f"Bài {number}", "content_text": "Nước lên."}
    assert api.post("/v1/articles", json=body).status_code == 201


def test_every_process_tells_what_it_did_and_no_counter_goes_back(system: System) -> None:
    ports, children, api = start_all(system)
    with api, Receivers() as receivers:
        api.post("/v1/endpoints", json={"url": receivers.url()})
        post(api, 1)
        eventually(receivers.received, within_s=_STARTED_WITHIN_S)
        system.wait_until_done()

        published = {"task": "publish", "outcome": "published"}
        eventually(lambda: value(ports["worker"], "publisher_steps_total", **published) == 1)
        (pool_child,) = forked_by(children["worker"])
        os.kill(pool_child, signal.SIGKILL)
        eventually(lambda: forked_by(children["worker"]) not in ([], [pool_child]))
        post(api, 2)

        eventually(lambda: value(ports["worker"], "publisher_steps_total", **published) == 2)
        eventually(lambda: value(ports["sender"], "publisher_attempts_total", result="2xx") == 2)
        delivered = "publisher_accepted_to_delivered_seconds_count"
        assert value(ports["sender"], delivered) == 2
        assert value(ports["worker"], "publisher_accepted_to_published_seconds_count") == 2
        assert value(ports["web"], "publisher_accepted_total", outcome="created") == 2
        assert value(ports["relay"], "publisher_relay_obligations_total", task="publish") == 2
        assert value(ports["relay"], "publisher_database_up") == 1
        eventually(lambda: value(ports["relay"], "publisher_shards_held") == 64, within_s=15)
        assert {name: _says_who_it_is(port) for name, port in ports.items()} == {
            one: one for one in PROCESSES
        }
        assert api.get("/metrics").status_code == 404  # readers never see it


def _says_who_it_is(port: int) -> str | None:
    build = next(labels for name, labels in scrape(port) if name == "publisher_build_info")
    return dict(build)["process"]
