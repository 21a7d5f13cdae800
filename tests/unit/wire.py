"""What tests of connections to receivers share: the client, both event loops, what is left open."""

import asyncio
import gc
import os
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import cache
from ipaddress import ip_network
from typing import Any, TypeVar

import httpx
import pytest
import uvloop

from publisher.notify.outcome import Answer
from publisher.notify.sending import Request
from publisher.notify.wire.client import WebhookClient

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

Result = TypeVar("Result")
LoopFactory = Callable[[], asyncio.AbstractEventLoop]

# The sender runs on uvloop, the tests of other rooms on asyncio's own.
on_both_loops = pytest.mark.parametrize(
    "loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)


def run(scenario: Coroutine[Any, Any, Result], *, loop: LoopFactory = asyncio.new_event_loop) -> Result:
    """Run a scenario, and check that it leaves no task, and no error that nobody asked for."""
    errors: list[str] = []

    def note(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "incoming connection" not in context["message"]:  # that is the receiver's
            errors.append(f"{context['message']}: {context.get('exception')}")

    async def watched() -> Result:
        asyncio.get_running_loop().set_exception_handler(note)
        result = await scenario
        await eventually(lambda: len(asyncio.all_tasks()) == 1)
        return result

    with asyncio.Runner(debug=True, loop_factory=loop) as runner:
        result = runner.run(watched())
        gc.collect()
    assert not errors
    return result


@cache
def authorities() -> ssl.SSLContext:
    """Return what the client trusts by default; reading it takes longer than most tests."""
    return httpx.create_ssl_context()


@asynccontextmanager
async def client(**arguments: object) -> AsyncIterator[WebhookClient]:
    made = WebhookClient(**({"allowed": LOOPBACK, "tls": authorities()} | arguments))  # type: ignore[arg-type]
    try:
        yield made
    finally:
        await made.aclose()


async def send(to: str, *, by: WebhookClient, deadline_s: float = 8.0) -> Answer:
    """Send a webhook.

    The deadline allows for a connect that is tried again after a second: on loopback, a port may still be
    remembered from who had it before.
    """
    request = Request(url=to, headers={"webhook-id": "msg_1"}, body=b'{"a": 1}')
    return await by.send(request, deadline_s=deadline_s)


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.005)


def open_sockets() -> int:
    """Return how many sockets this process holds."""
    count = 0
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            count += os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:")
    return count
