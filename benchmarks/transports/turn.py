"""`python -m benchmarks.transports.turn JOB`: one candidate's turn, on one processor; prints how it went.

JOB is a file: `{"name": …, "urls": […], "in_flight": …, "seconds": …, "authority": …}`. Every URL is sent the
same body, each signed, until all are or the time is over.
"""

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import psutil
import uvloop

from benchmarks.transports.candidates import Candidate, Wanted, candidate, request
from benchmarks.transports.receiver import use_processor
from publisher.notify.signature import sign
from publisher.notify.wire.bounds import MAX_BODY_BYTES

_DEADLINE_S = 15
_SECRET = bytes(range(24))
_ID = "msg_00000000000000000000000000000000"
_BODY = json.dumps({"type": "article.published", "data": {"text": "x" * 1400}}).encode()


async def exchange(transport: httpx.AsyncBaseTransport, asked: Any) -> tuple[int, bytes]:
    """Send a request and return the status and as much of the body as is kept."""
    response = await transport.handle_async_request(asked)
    received = bytearray()
    async with aclosing(response):
        async for chunk in response.stream:
            received += chunk
            if len(received) >= MAX_BODY_BYTES:
                break
    return response.status_code, bytes(received[:MAX_BODY_BYTES])


async def main(job: dict[str, Any]) -> dict[str, Any]:
    """Send until the URLs or the time are over; return how it went."""
    one = candidate(job["name"])
    process = psutil.Process()
    before = process.memory_info().rss
    transport = one.transport(Wanted(connections=job["in_flight"], authority=Path(job["authority"])))
    urls, told = iter(job["urls"]), Counter[str]()
    began, used = time.monotonic(), _processor_s()
    until = began + job["seconds"]
    await asyncio.gather(*(_send(one, transport, urls, until, told) for _ in range(job["in_flight"])))
    took, used = time.monotonic() - began, _processor_s() - used
    grown = process.memory_info().rss - before
    await transport.aclose()
    return {"told": told, "seconds": took, "processor_s": used, "grown_mb": grown / 1e6}


async def _send(
    one: Candidate, transport: httpx.AsyncBaseTransport, urls: Iterator[str], until: float, told: Counter[str]
) -> None:
    for url in urls:
        if time.monotonic() > until:
            return
        asked = request(one, url, _signed_headers(), _BODY, deadline_s=_DEADLINE_S)
        try:
            async with asyncio.timeout(_DEADLINE_S):
                status, _ = await exchange(transport, asked)
        except Exception as error:
            told[f"{type(error).__name__}: {error}"[:120]] += 1
        else:
            told[str(status)] += 1


def _signed_headers() -> dict[str, str]:
    timestamp = int(time.time())
    return {
        "webhook-id": _ID,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign([_SECRET], message_id=_ID, timestamp=timestamp, body=_BODY),
        "content-type": "application/json",
    }


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    use_processor(1)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(json.dumps(uvloop.run(main(json.loads(Path(sys.argv[1]).read_text("utf-8"))))))
