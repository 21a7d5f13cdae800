"""`python -m benchmarks.load URL KEY single SECONDS [CLIENTS] | bulk LINES`: send articles to an API.

The last line that it prints is `{"per_s": …}`.
"""

import asyncio
import itertools
import json
import secrets
import sys
import time
from collections.abc import Iterator

import aiohttp
import uvloop

from benchmarks.material import article_json

_CLIENTS = 16
_WARM_UP_S = 1.0
_WARM_UP_LINES = 200
_TEMPLATES = 50


class Refused(Exception):
    """The API did not take an article; the figure would mean nothing."""


def numbered_articles() -> Iterator[bytes]:
    """Yield articles for ever; each has an address of its own, also among those of other runs."""
    run = secrets.token_hex(4).encode()
    # Made beforehand, so that the clients' core is spent on sending.
    made = [article_json(number) for number in range(_TEMPLATES)]
    for number in itertools.count():
        article = made[number % _TEMPLATES]
        yield article.replace(b"/ban-tin/", b"/ban-tin/%b-%d-" % (run, number), 1)


async def single(client: aiohttp.ClientSession, url: str, seconds: float, clients: int) -> float:
    """Return how many articles a second are accepted one a request, by clients that stay connected."""
    articles = numbered_articles()
    begin = time.monotonic() + _WARM_UP_S
    accepted = 0

    async def send() -> None:
        nonlocal accepted
        headers = {"content-type": "application/json"}
        while time.monotonic() < begin + seconds:
            async with client.post(f"{url}/v1/articles", data=next(articles), headers=headers) as answer:
                await answer.read()
            if answer.status != 201:
                raise Refused(f"the API answered {answer.status}")
            accepted += begin <= time.monotonic() < begin + seconds

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(send())
    return accepted / seconds


async def bulk(client: aiohttp.ClientSession, url: str, lines: int) -> float:
    """Return how many articles a second are accepted in one request."""
    articles = numbered_articles()
    await _send_lines(client, url, list(itertools.islice(articles, _WARM_UP_LINES)))
    wanted = list(itertools.islice(articles, lines))
    started = time.monotonic()
    await _send_lines(client, url, wanted)
    return lines / (time.monotonic() - started)


async def _send_lines(client: aiohttp.ClientSession, url: str, lines: list[bytes]) -> None:
    headers = {"content-type": "application/x-ndjson"}
    body = b"\n".join(lines)
    async with client.post(f"{url}/v1/articles:batch", data=body, headers=headers) as answer:
        answers = (await answer.read()).splitlines()
    if len(answers) != len(lines) or any(b'"error"' in one for one in answers):
        raise Refused(f"the API answered {answer.status} and refused lines")


async def main(url: str, key: str, kind: str, amount: float, clients: int) -> None:
    """Send, and print the rate."""
    connector = aiohttp.TCPConnector(limit=clients)
    timeout = aiohttp.ClientTimeout(total=120)
    headers = {"authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as client:
        if kind == "single":
            rate = await single(client, url, amount, clients)
        else:
            rate = await bulk(client, url, int(amount))
    print(json.dumps({"per_s": rate}))


if __name__ == "__main__":
    _, url, key, kind, amount, *clients = sys.argv
    uvloop.run(main(url, key, kind, float(amount), int(clients[0]) if clients else _CLIENTS))
