"""`python -m benchmarks.baseline_loop JOB`: the sender's client and transport in a bare loop, no database.

JOB is a file: `{"urls": […], "body": …}`. Every URL is sent the body once, 500 at a time, each signed.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import uvloop

from publisher.notify.pump.pump import SLOTS
from publisher.notify.secrets.box import new_secret
from publisher.notify.sending import Request
from publisher.notify.signature import sign
from publisher.notify.wire.client import WebhookClient

MESSAGE = "msg_00000000000000000000000000000000"


def signed_headers(secret: bytes, body: bytes) -> dict[str, str]:
    """Return what a receiver needs to verify the body."""
    timestamp = int(time.time())
    return {
        "webhook-id": MESSAGE,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign([secret], message_id=MESSAGE, timestamp=timestamp, body=body),
        "content-type": "application/json",
    }


async def send_all(client: WebhookClient, urls: Iterator[str], body: bytes) -> int:
    """Send the body to what is left of the URLs, one after the other; return how many took it."""
    secret = new_secret()
    succeeded = 0
    for url in urls:
        request = Request(url=url, headers=signed_headers(secret, body), body=body)
        answer = await client.send(request, deadline_s=15)
        succeeded += answer.succeeded
    return succeeded


async def main(job: Path) -> None:
    """Send everything, and print how many took it."""
    wanted = json.loads(job.read_text("utf-8"))
    urls, body = iter(wanted["urls"]), wanted["body"].encode()
    client = WebhookClient(allowed=[ip_network("127.0.0.0/8")])
    loops = [send_all(client, urls, body) for _ in range(SLOTS)]
    succeeded = sum(await asyncio.gather(*loops))
    await client.aclose()
    print(json.dumps({"succeeded": succeeded}))


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
