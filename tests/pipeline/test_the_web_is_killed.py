"""The web process is killed (-9) between its commit and its answer: whoever asks again changes nothing.

Guards: article and event are committed in one transaction before anything is answered (`store_together`);
the answer to an `Idempotency-Key` is kept in that same transaction (`keep`).
"""

from pathlib import Path
from signal import SIGKILL
from typing import Any
from uuid import UUID

import httpx
import pytest

from publisher.access import create_key
from tests.pipeline.deliveries import sent
from tests.pipeline.effects import assert_seen_once
from tests.pipeline.harmed import Harm, Point, Victim
from tests.pipeline.system import STARTS_WITHIN_S, System
from tests.receivers import Receivers
from tests.waiting import eventually

ENDPOINTS = 20
ARTICLE = {"url": "https://news.example/cau-moi", "title": "Thông xe cầu mới", "content_text": "Sáng nay."}


def test_an_article_whose_client_saw_no_answer_is_published_once(system: System, tmp_path: Path) -> None:
    key = _key(system)
    harm = Harm(point=Point.BEFORE_ANSWERING, signal=SIGKILL, victim=Victim.ITSELF, note=tmp_path / "harm")
    with Receivers() as receivers:
        for number in range(ENDPOINTS):
            system.subscribe(receivers.url(f"/{number}", host=number + 1))
        for process in ("relay", "sender"):
            system.start(process)
        system.start("worker", "--concurrency", "1")
        # The others work: what comes now has to wait for none of them.
        before = system.submit(1)
        eventually(lambda: receivers.count == ENDPOINTS, within_s=STARTS_WITHIN_S)

        with system.start_web(harm) as client, pytest.raises(httpx.TransportError):
            _post(client, key)
        eventually(lambda: receivers.count == 2 * ENDPOINTS, within_s=5)
        (article,) = system.statuses().keys() - {before}
        system.wait_until_done()
        with system.start_web() as client:
            again, unkeyed = _post(client, key), _post(client, key, idempotency_key=None)
        system.wait_until_delivered()

        assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
        assert UUID(again.json()["id"]) == article
        assert (unkeyed.status_code, unkeyed.json()["outcome"]) == (200, "unchanged")
        assert (unkeyed.json()["id"], unkeyed.json()["sequence"]) == (str(article), 1)
        assert_seen_once(system, [before, article], endpoints=ENDPOINTS)
        assert set(sent(receivers).values()) == {1}
        assert receivers.count == 2 * ENDPOINTS


def _key(system: System) -> str:
    with system.sessions.begin() as session:
        return create_key(session, name="tests", scopes=["articles:write"])[1]


def _post(client: httpx.Client, key: str, *, idempotency_key: str | None = "once") -> httpx.Response:
    headers: dict[str, Any] = {"Authorization": f"Bearer {key}"}
    if idempotency_key is not None:
        headers["Idempotency-Key"] = idempotency_key
    return client.post("/v1/articles", json=ARTICLE, headers=headers)
