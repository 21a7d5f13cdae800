"""Clients that post articles, whatever becomes of the system, and keep a ledger of what it acknowledged."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

import httpx

from tests.pipeline.system import DOMAIN

_PATIENCE_S = 60.0
# Of one lot of clients: the numbers of their articles.
_LOT = 100_000


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An answer that was no acknowledgement; `retry_after` is its header."""

    status: int
    retry_after: str | None


@dataclass(kw_only=True)
class Ledger:
    """What clients know, of one lot of them after the other.

    Attributes:
        acknowledged: the articles that were, by their number.
        cut_off: requests that got no answer.
    """

    acknowledged: dict[int, UUID] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    cut_off: int = 0
    lots: int = 0


class Clients:
    """They post one article after another, each until it is acknowledged, under one Idempotency-Key."""

    def __init__(self, base_url: str, key: str, ledger: Ledger, *, count: int, pause_s: float) -> None:
        self._base_url = base_url
        self._headers = {"Authorization": f"Bearer {key}"}
        self._ledger = ledger
        self._pause_s = pause_s
        self._enough = threading.Event()
        numbers = range(ledger.lots * _LOT, (ledger.lots + 1) * _LOT)
        ledger.lots += 1
        self._threads = [
            threading.Thread(target=self._post_all, args=(numbers[first::count],), daemon=True)
            for first in range(count)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def finish(self) -> None:
        """Begin no further article, and wait until those that were begun are acknowledged."""
        self._enough.set()
        for thread in self._threads:
            thread.join(_PATIENCE_S)
            assert not thread.is_alive(), "an article was never acknowledged"

    def _post_all(self, numbers: Sequence[int]) -> None:
        with httpx.Client(base_url=self._base_url, headers=self._headers, trust_env=False, timeout=30) as api:
            for number in numbers:
                while not self._is_acknowledged(api, number):
                    self._enough.wait(self._pause_s)
                if self._enough.wait(self._pause_s):
                    return

    def _is_acknowledged(self, api: httpx.Client, number: int) -> bool:
        try:
            answer = api.post("/v1/articles", json=article(number), headers={"Idempotency-Key": str(number)})
        except httpx.TransportError:
            self._ledger.cut_off += 1
            return False
        if answer.is_success:
            self._ledger.acknowledged[number] = UUID(answer.json()["id"])
        else:
            refusal = Refusal(status=answer.status_code, retry_after=answer.headers.get("retry-after"))
            self._ledger.refusals.append(refusal)
        return answer.is_success


class Crowd:
    """Many clients at once, each with an article of its own, under the same Idempotency-Key each time."""

    def __init__(self, base_url: str, key: str) -> None:
        self.answers: dict[int, httpx.Response] = {}
        self._base_url = base_url
        self._headers = {"Authorization": f"Bearer {key}"}

    def storm(self, numbers: Sequence[int], readers: int = 0) -> None:
        """Post these articles at once, while so many readers want the front page; return when answered."""
        asyncio.run(self._storm(numbers, readers))

    def statuses(self) -> set[int]:
        """Return how the articles were answered, each the last time."""
        return {answer.status_code for answer in list(self.answers.values())}

    def accepted(self) -> dict[UUID, int]:
        """Return the numbers of the articles that were accepted, by id."""
        return {UUID(one.json()["id"]): number for number, one in self.answers.items() if one.is_success}

    def refused(self) -> list[int]:
        """Return the numbers of the articles that were not."""
        return [number for number, one in self.answers.items() if not one.is_success]

    async def _storm(self, numbers: Sequence[int], readers: int) -> None:
        async with httpx.AsyncClient(
            base_url=self._base_url,
            headers=self._headers,
            trust_env=False,
            timeout=_PATIENCE_S,
            limits=httpx.Limits(max_connections=None),
        ) as api:
            reading = [api.get("/") for _ in range(readers)]
            await asyncio.gather(*(self._post(api, number) for number in numbers), *reading)

    async def _post(self, api: httpx.AsyncClient, number: int) -> None:
        headers = {"Idempotency-Key": str(number)}
        self.answers[number] = await api.post("/v1/articles", json=article(number), headers=headers)


def article(number: int) -> dict[str, Any]:
    """Return an article as clients send it."""
    return {
        "url": f"https://{DOMAIN}/{number}",
        "title": f"Bài viết số {number}",
        "content_text": f"Nội dung của bài viết số {number}.",
    }
