"""What a hundred endpoints that never answer do to a thousand healthy ones: when articles arrive there."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import count
from statistics import quantiles

import aiohttp
import uvloop

from benchmarks.delivering import Delivering
from benchmarks.figure import Figure, Goal, Of
from benchmarks.material import article
from benchmarks.receivers import Receivers, listening_socket, serve
from benchmarks.stand import CannotMeasure, Stand, System
from benchmarks.subscribing import subscribe
from publisher.access import Scope

_HEALTHY, _HANGING = 1_000, 100
# Each article has one of the categories, and so goes to 40 healthy endpoints, and to 4 that hang.
_CATEGORIES = [f"Mục {number}" for number in range(25)]
_OF_EACH = _HEALTHY // len(_CATEGORIES)
_ARTICLES_PER_S = 5
# Longer than those that hang are waited for.
_FOR_S = 20
_WARM_UP = 10
_ARRIVE_WITHIN_S = 30
_NEVER_MS = 3_600_000
_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


def measure(stand: Stand) -> list[Figure]:
    """Send in articles for some time, then again with endpoints that hang, from the first moment on."""
    with System(stand, "hanging") as system:
        hanging = Receivers(system)
        hanging.begin(after_ms=_NEVER_MS)
        delivering = Delivering(system, hanging)
        delivering.start_pipeline()
        delivering.start_sender()
        newsroom = _Newsroom(system)
        without, beside_hanging = uvloop.run(_both(system, newsroom, hanging))
        if hanging.tally().count < _HANGING:
            raise CannotMeasure("the endpoints that hang were not sent anything")
    return [
        Figure(
            name=f"100 hang: {name}",
            value=quantiles(beside_hanging, n=100)[percent - 1] * 1000,
            unit="ms",
            baseline=quantiles(without, n=100)[percent - 1] * 1000,
            beside="the same without them",
            goal=Goal(bound=2, of=Of.RATIO, at_most=True) if percent == 99 else None,
        )
        for name, percent in (("p50", 50), ("p99", 99))
    ]


class _Newsroom:
    """Sends articles to the API, and notes when each was accepted."""

    def __init__(self, system: System) -> None:
        self._url = f"{system.start_web()}/v1/articles"
        self._headers = {"authorization": f"Bearer {system.key(Scope.ARTICLES_WRITE)}"}
        self._numbers = count()
        self.accepted_at: dict[str, float] = {}

    async def send_for(self, seconds: float) -> None:
        """Send an article every so often, whatever becomes of those before."""
        self.accepted_at = {}
        async with aiohttp.ClientSession(headers=self._headers) as client, asyncio.TaskGroup() as group:
            for _ in range(round(seconds * _ARTICLES_PER_S)):
                group.create_task(self._send(client))
                await asyncio.sleep(1 / _ARTICLES_PER_S)

    async def _send(self, client: aiohttp.ClientSession) -> None:
        number = next(self._numbers)
        told = {**article(number), "categories": [_CATEGORIES[number % len(_CATEGORIES)]]}
        async with client.post(self._url, json=told) as answer:
            answer.raise_for_status()
            accepted = await answer.json()
        self.accepted_at[accepted["id"]] = time.monotonic()


class _Arrivals:
    """Which article arrived when, once for each endpoint."""

    def __init__(self) -> None:
        self.at: list[tuple[str, float]] = []

    def answer(self, _: bytes, body: bytes) -> tuple[bytes, float]:
        """Note what came in, on the monotonic clock."""
        now = time.monotonic()
        self.at.append((json.loads(body)["data"]["id"], now))
        return _ANSWER, 0.0

    def are_whole(self, articles: Iterable[str]) -> bool:
        """Return whether each article has arrived everywhere."""
        arrived = Counter(name for name, _ in self.at)
        return all(arrived[one] >= _OF_EACH for one in articles)


async def _both(system: System, newsroom: _Newsroom, hanging: Receivers) -> tuple[list[float], list[float]]:
    async with _receiving() as (arrivals, port):
        _subscribe(system, [f"http://127.1.{n // 250}.{n % 250}:{port}/" for n in range(_HEALTHY)])
        without = await _latencies(newsroom, arrivals)
        _subscribe(system, [hanging.url(1 + number) for number in range(_HANGING)])
        return without, await _latencies(newsroom, arrivals)


async def _latencies(newsroom: _Newsroom, arrivals: _Arrivals) -> list[float]:
    """Return the seconds from the API's answer to each arrival; the first articles, still cold, left out."""
    await newsroom.send_for(_FOR_S)
    accepted = dict(list(newsroom.accepted_at.items())[_WARM_UP:])
    async with asyncio.timeout(_ARRIVE_WITHIN_S):
        while not arrivals.are_whole(accepted):
            await asyncio.sleep(0.1)
    return [at - accepted[name] for name, at in arrivals.at if name in accepted]


def _subscribe(system: System, urls: list[str]) -> None:
    """Let each category have as many of them."""
    parts = len(_CATEGORIES)
    for part, category in enumerate(_CATEGORIES):
        subscribe(system, urls[part::parts], categories=[category])


@asynccontextmanager
async def _receiving() -> AsyncIterator[tuple[_Arrivals, int]]:
    arrivals, listener = _Arrivals(), listening_socket()
    server = await serve(listener, arrivals.answer)
    yield arrivals, int(listener.getsockname()[1])
    server.close()
