"""How long it takes on a quiet system from the API's 2xx to the webhook's arrival."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median, quantiles
from typing import Any, Protocol

import aiohttp
import uvloop

from benchmarks import baseline_tasks
from benchmarks.figure import Figure, Goal
from benchmarks.material import article_json
from benchmarks.receivers import listening_socket, serve
from benchmarks.stand import Stand, System
from publisher.access import Scope

_SAMPLES = 300
_WARM_UP = 10
_HOPS = 3
_BASELINE_SAMPLES = 200
_ARRIVES_WITHIN_S = 15
# From the end of all work on an article to the next one, in seconds: the relay has fallen asleep by then,
# and nothing is in step with what happens at intervals.
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.03, 0.08
_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
_LOOK_EVERY_S = 0.01


class Way(Protocol):
    """A way for articles to become webhooks."""

    async def send(self, number: int) -> str:
        """Send the n-th article; return what its webhook will be recognised by."""

    async def quiet(self) -> None:
        """Return when nothing is left to do."""


def measure(stand: Stand) -> list[Figure]:
    """Send in one article after the other, each when nothing is owed any more for the one before."""
    with System(stand, "latency") as system:
        worker = system.run("benchmarks.baseline_tasks")
        naive = uvloop.run(_through_tasks(system.redis_url))
        system.end(worker)
        url = system.start_web()
        key = system.key(Scope.ADMIN)
        for argv in (["relay"], ["worker", "--concurrency", "1"], ["sender"]):
            system.start(*argv)
        whole = uvloop.run(_through_system(system, url, key))
    beside = f"{_HOPS} empty Celery tasks, then a POST"
    return [
        _figure("p50", median(whole), median(naive), beside, at_most_ms=50),
        _figure("p99", quantiles(whole, n=100)[98], quantiles(naive, n=100)[98], beside, at_most_ms=250),
    ]


def _figure(name: str, value_s: float, baseline_s: float, beside: str, *, at_most_ms: float) -> Figure:
    return Figure(
        name=f"latency {name}",
        value=value_s * 1000,
        unit="ms",
        baseline=baseline_s * 1000,
        beside=beside,
        goal=Goal(bound=at_most_ms, at_most=True),
    )


class _Arrivals:
    """When each webhook arrived."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}
        self._arrived = asyncio.Event()

    def answer(self, _: bytes, body: bytes) -> tuple[bytes, float]:
        """Note what came in, on the monotonic clock."""
        now = time.monotonic()
        self._at[json.loads(body)["data"]["id"]] = now
        self._arrived.set()
        return _ANSWER, 0.0

    async def of(self, name: str) -> float:
        """Wait for a webhook; return when it arrived."""
        async with asyncio.timeout(_ARRIVES_WITHIN_S):
            while name not in self._at:
                self._arrived.clear()
                await self._arrived.wait()
        return self._at[name]


class _Naive:
    """Celery tasks that call each other, with nothing in them."""

    def __init__(self, redis_url: str, receiver: str) -> None:
        self._redis_url = redis_url
        self._receiver = receiver

    async def send(self, number: int) -> str:
        body = json.dumps({"data": {"id": str(number)}})
        hops = [(_HOPS - 1, self._receiver, body)]
        await asyncio.to_thread(baseline_tasks.send, self._redis_url, "hop", hops)
        return str(number)

    async def quiet(self) -> None:
        """Nothing is left to do once the webhook has arrived."""


class _Whole:
    """The whole system, by its API."""

    def __init__(self, system: System, client: aiohttp.ClientSession, url: str) -> None:
        self._system = system
        self._client = client
        self._url = url

    async def subscribe(self, receiver: str) -> None:
        await self._post("endpoints", json.dumps({"url": receiver}).encode())

    async def send(self, number: int) -> str:
        accepted = await self._post("articles", article_json(number))
        return str(accepted["id"])

    async def quiet(self) -> None:
        while await asyncio.to_thread(self._system.owed):
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _post(self, path: str, body: bytes) -> Any:
        headers = {"content-type": "application/json"}
        async with self._client.post(f"{self._url}/v1/{path}", data=body, headers=headers) as answer:
            answer.raise_for_status()
            return await answer.json()


async def _through_tasks(redis_url: str) -> list[float]:
    async with _receiving() as (arrivals, receiver):
        return await _samples(arrivals, _Naive(redis_url, receiver), _BASELINE_SAMPLES)


async def _through_system(system: System, url: str, key: str) -> list[float]:
    headers = {"authorization": f"Bearer {key}"}
    async with _receiving() as (arrivals, receiver), aiohttp.ClientSession(headers=headers) as client:
        whole = _Whole(system, client, url)
        await whole.subscribe(receiver)
        return await _samples(arrivals, whole, _SAMPLES)


@asynccontextmanager
async def _receiving() -> AsyncIterator[tuple[_Arrivals, str]]:
    arrivals, listener = _Arrivals(), listening_socket()
    server = await serve(listener, arrivals.answer)
    yield arrivals, f"http://127.0.0.1:{listener.getsockname()[1]}/webhook"
    server.close()


async def _samples(arrivals: _Arrivals, way: Way, count: int) -> list[float]:
    """Return the seconds from the end of a sending to the arrival; the first ones, still cold, left out."""
    found = []
    for number in range(_WARM_UP + count):
        await way.quiet()
        await asyncio.sleep(random.uniform(_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S))
        name = await way.send(number)
        sent_at = time.monotonic()
        found.append(await arrivals.of(name) - sent_at)
    return found[_WARM_UP:]
