"""Names of receivers: how often they are looked up, and what of it is remembered."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from publisher.notify.wire import names
from publisher.notify.wire.names import NameNotFound, Names
from tests.unit.wire import LOOPBACK, LoopFactory, eventually, on_both_loops, run


class Resolver:
    """Answers 127.0.0.1 when `go` is set, or raises, and counts the questions."""

    def __init__(self, *, fails: bool = False) -> None:
        self.asked: Counter[str] = Counter()
        self.go = threading.Event()
        self.go.set()
        self.fails = fails

    def __call__(self, name: str) -> list[str]:
        self.asked[name] += 1
        self.go.wait(5)
        if self.fails:
            raise OSError("no such name")
        return ["127.0.0.1"]


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    made = Resolver()
    yield made
    made.go.set()


def test_a_name_is_known_for_some_seconds(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "KNOWN_S", 0.1)
    known = Names(LOOPBACK, resolver)

    async def scenario() -> list[int]:
        asked = []
        for pause_s in (0, 0, 0.11, 0):
            await asyncio.sleep(pause_s)
            assert await known.addresses("a.example") == ["127.0.0.1"]
            asked.append(resolver.asked["a.example"])
        return asked

    assert run(scenario()) == [1, 1, 2, 2]
    known.close()


def test_a_failure_is_not_remembered() -> None:
    resolver = Resolver(fails=True)
    known = Names(LOOPBACK, resolver)

    async def scenario() -> None:
        for _ in range(2):
            with pytest.raises(NameNotFound):
                await known.addresses("a.example")
        resolver.fails = False
        assert await known.addresses("a.example") == ["127.0.0.1"]

    run(scenario())

    assert resolver.asked["a.example"] == 3
    known.close()


@pytest.mark.parametrize("fails", [True, False])
@on_both_loops
def test_many_who_ask_at_once_share_one_look_up(loop: LoopFactory, fails: bool) -> None:
    resolver = Resolver(fails=fails)
    resolver.go.clear()
    known = Names(LOOPBACK, resolver)

    async def scenario() -> list[object]:
        asking = asyncio.gather(*(known.addresses("a.example") for _ in range(100)), return_exceptions=True)
        await eventually(lambda: resolver.asked["a.example"] == 1)
        resolver.go.set()
        return list(await asking)

    found = run(scenario(), loop=loop)

    assert all(isinstance(one, NameNotFound) if fails else one == ["127.0.0.1"] for one in found)
    assert resolver.asked["a.example"] == 1
    known.close()


@pytest.mark.parametrize("fails", [True, False])
@on_both_loops
def test_who_leaves_does_not_end_the_look_up_of_others(loop: LoopFactory, fails: bool) -> None:
    resolver = Resolver(fails=fails)
    resolver.go.clear()
    known = Names(LOOPBACK, resolver)

    async def scenario() -> object:
        leaving = asyncio.ensure_future(known.addresses("a.example"))
        staying = asyncio.gather(known.addresses("a.example"), return_exceptions=True)
        await eventually(lambda: resolver.asked["a.example"] == 1)
        leaving.cancel()
        await asyncio.sleep(0)
        resolver.go.set()
        return (await staying)[0]

    found = run(scenario(), loop=loop)

    assert isinstance(found, NameNotFound) if fails else found == ["127.0.0.1"]
    known.close()


@on_both_loops
def test_a_look_up_that_everybody_left_may_fail(loop: LoopFactory) -> None:
    resolver = Resolver(fails=True)
    resolver.go.clear()

    async def scenario() -> None:
        known = Names(LOOPBACK, resolver)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await known.addresses("a.example")
        resolver.go.set()
        await asyncio.sleep(0.05)
        known.close()

    run(scenario(), loop=loop)  # which looks for errors that nobody heard of


def test_a_name_that_is_asked_for_again_keeps_no_other_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "KNOWN_S", 0.1)

    def look_up(name: str) -> list[str]:
        if name == "again.example":
            raise OSError(name)
        return ["127.0.0.1"]

    known = Names(LOOPBACK, look_up)

    async def scenario() -> None:
        for number in range(20):
            with pytest.raises(NameNotFound):
                await known.addresses("again.example")
            await known.addresses(f"{number}.example")
            await asyncio.sleep(0.03)

    run(scenario())

    assert len(known._known) < 10
    known.close()


def test_of_many_names_the_oldest_are_forgotten(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_MOST_KNOWN", 100)
    known = Names(LOOPBACK, resolver)

    async def scenario() -> None:
        for number in range(250):
            await known.addresses(f"{number}.example")
            assert len(known._known) <= 100
        await known.addresses("200.example")
        await known.addresses("0.example")

    run(scenario())

    assert (resolver.asked["200.example"], resolver.asked["0.example"]) == (1, 2)
    known.close()


def test_names_that_nobody_asks_for_any_more_are_forgotten(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "KNOWN_S", 0.02)
    known = Names(LOOPBACK, resolver)

    async def scenario() -> None:
        for number in range(50):
            await known.addresses(f"{number}.example")
        await asyncio.sleep(0.03)
        await known.addresses("last.example")

    run(scenario())

    assert list(known._known) == ["last.example"]
    known.close()


def test_a_name_server_that_hangs_is_asked_once_while_it_hangs(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long that takes: else one name would come to hold one thread after the other."""
    monkeypatch.setattr(names, "KNOWN_S", 0.02)
    known = Names(LOOPBACK, resolver)

    async def scenario() -> None:
        resolver.go.clear()
        began = time.monotonic()
        while time.monotonic() < began + 0.2:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.03):
                    await known.addresses("a.example")
        resolver.go.set()
        assert await known.addresses("a.example") == ["127.0.0.1"]

    run(scenario())

    assert resolver.asked["a.example"] == 1
    known.close()
