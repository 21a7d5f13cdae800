"""The demo itself: subscribe, send the articles in, follow them until they have arrived everywhere."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress

import httpx
from sqlalchemy.exc import DBAPIError

from publisher.ingest.submission import Submission
from workers.demo.board import Board, Journey
from workers.demo.client import DemoClient
from workers.demo.report import Report, report
from workers.demo.screen import Screen
from workers.demo.subscriber import Subscriber
from workers.demo.watch import Watch
from workers.machine import Machine

_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.04


class Show:
    """Sends and follows in a thread of its own, while the main thread tends the machine and draws."""

    def __init__(
        self, machine: Machine, client: DemoClient, subscriber: Subscriber, samples: Sequence[Submission]
    ) -> None:
        self._machine = machine
        self._client = client
        self._subscriber = subscriber
        self._samples = samples
        self._board = Board([sample.title for sample in samples])
        self._watch = Watch(machine, client.http, subscriber, self._board)
        self._over = threading.Event()

    @property
    def journeys(self) -> list[Journey]:
        """How far each article is."""
        return self._board.journeys

    def run(self, screen: Screen) -> Report:
        """Return what has arrived when everything has, or when the time is over."""
        try:
            following = _in_background(self._follow)
            while not following.done():
                self._machine.tend()
                screen.show(self._board)
            following.result()
        finally:
            self._over.set()
        screen.show(self._board)
        return report(self._board.journeys, self._watch, self._subscriber.received)

    def _follow(self) -> None:
        self._client.subscribe(self._subscriber)
        deadline = time.monotonic() + _WITHIN_S
        next_look = time.monotonic()
        for number, sample in enumerate(self._samples):
            self._client.send(self._board, number, sample)
            if time.monotonic() >= next_look:
                self._look()
                next_look = time.monotonic() + _LOOK_EVERY_S
        while self._is_on_the_way() and time.monotonic() < deadline and not self._over.wait(_LOOK_EVERY_S):
            self._look()

    def _look(self) -> None:
        # A process that was just started again answers the next time.
        with suppress(httpx.TransportError, DBAPIError):
            self._watch.look()

    def _is_on_the_way(self) -> bool:
        return any(journey.article_id and journey.missing for journey in self._board.journeys)


def _in_background(work: Callable[[], None]) -> Future[None]:
    """Run the work in a thread that ends with the process; its exception is the future's."""
    future: Future[None] = Future()

    def run() -> None:
        try:
            work()
            future.set_result(None)
        except BaseException as error:  # whatever it is, the main thread raises it
            future.set_exception(error)

    threading.Thread(target=run, name="demo", daemon=True).start()
    return future
