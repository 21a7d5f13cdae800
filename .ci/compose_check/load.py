"""Clients that send articles while something happens, patient ones and ones that take no second try."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any

import httpx
from compose_check.failure import CheckError, wait_for

_NUMBERS = count(1)
# While a process starts again, and PostgreSQL with it.
_PATIENCE_S = 300
_PAUSE_S = 0.3
_SOME = 25


def article(*, padding: int = 0) -> dict[str, Any]:
    """Return an article that nobody has sent yet.

    Args:
        padding: bytes that make it larger, and no more work than others.
    """
    number = next(_NUMBERS)
    return {
        "url": f"https://news.example.org/check/{number}",
        "title": f"Bài viết số {number}",
        "content_html": f"<p>Nội dung của bài viết số {number}.</p><!--{'x' * padding}-->",
        "categories": ["Xã hội"],
    }


class Load:
    """Threads that send articles one after the other; `accepted` are the ids of those that were answered."""

    def __init__(self, address: str, key: str, *, patient: bool) -> None:
        self.accepted: list[str] = []
        self.failures: list[str] = []
        self._address = address
        self._headers = {"Authorization": f"Bearer {key}"}
        self._patient = patient
        self._over = threading.Event()

    @contextmanager
    def running(self, *, clients: int, pause_s: float) -> Iterator[None]:
        """Send while the block runs; every other client makes a new connection each time.

        Args:
            pause_s: of each client, between an answer and the next article.
        """
        with ThreadPoolExecutor(clients) as pool:
            sending = [
                pool.submit(self._send_articles, number % 2 == 0, pause_s) for number in range(clients)
            ]
            try:
                yield
            finally:
                self._over.set()
        for one in sending:
            one.result()

    def goes_on(self) -> None:
        """Wait until more articles were accepted.

        Raises:
            CheckError: when that takes too long.
        """
        enough = len(self.accepted) + _SOME
        wait_for(lambda: range(enough - len(self.accepted)), "articles to accept", within_s=_PATIENCE_S)

    def _send_articles(self, keeps_connection: bool, pause_s: float) -> None:
        headers = self._headers if keeps_connection else {**self._headers, "Connection": "close"}
        with httpx.Client(base_url=self._address, headers=headers, trust_env=False, timeout=20) as client:
            while not self._over.wait(pause_s):
                try:
                    self.accepted.append(self._send(client))
                except CheckError as error:
                    self.failures.append(str(error))

    def _send(self, client: httpx.Client) -> str:
        sent = article()
        key = f"check-{sent['url']}"
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            problem = "no answer"
            try:
                answer = client.post("/v1/articles", json=sent, headers={"Idempotency-Key": key})
                if answer.status_code in (200, 201):
                    return str(answer.json()["id"])
                problem = f"{answer.status_code} {answer.text[:200]}"
            except httpx.TransportError as error:
                problem = repr(error)
            if not self._patient or time.monotonic() > deadline:
                raise CheckError(f"{sent['url']}: {problem}")
            time.sleep(_PAUSE_S)


class Reader:
    """Reads a feed again and again without a second try; `failures` are the answers that were none."""

    def __init__(self, address: str, paths: Sequence[str]) -> None:
        self.failures: list[str] = []
        self.answers = 0
        self._address = address
        self._paths = paths
        self._over = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Read while the block runs."""
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(self._read)
            try:
                yield
            finally:
                self._over.set()
        reading.result()

    def _read(self) -> None:
        with httpx.Client(base_url=self._address, trust_env=False, timeout=20) as client:
            while not self._over.wait(0.1):
                for path in self._paths:
                    try:
                        status = client.get(path).status_code
                    except httpx.TransportError as error:
                        self.failures.append(f"GET {path}: {error!r}")
                        continue
                    self.answers += 1
                    if status != 200:
                        self.failures.append(f"GET {path}: {status}")
