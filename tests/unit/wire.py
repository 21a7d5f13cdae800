"""What tests of connections to receivers share: scripted receivers, both event loops, what is left open."""

import asyncio
import gc
import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import pytest
import uvloop

from publisher.notify.outcome import Answer
from publisher.notify.sending import Request
from publisher.notify.wire.client import WebhookClient
from tests.unit.test_notify_client import Behaviour, Reader, Writer

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


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """Behave differently with every request, whichever connection it comes on; at last as the last says."""
    left = list(behaviours)

    async def behave(reader: Reader, writer: Writer) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(reader, writer)

    return behave


async def hang_up(_: Reader, writer: Writer) -> None:
    writer.close()


def then_hang_up(*parts: bytes, pause_s: float = 0.02) -> Behaviour:
    """Answer with the parts, a pause after each, and hang up."""

    async def behave(_: Reader, writer: Writer) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)
        writer.close()

    return behave
