"""`Idempotency-Key`: done once, answered as often as asked."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import func, select, text, update

from publisher.access import Scope
from publisher.schema import IdempotencyRow
from tests.databases import until_somebody_waits
from tests.stages.api_server import Api, article, running_api

PATH = "/v1/articles"


@pytest.fixture(scope="module")
def api(postgres_url: str) -> Iterator[Api]:
    with running_api(postgres_url) as running:
        yield running


@pytest.fixture(scope="module")
def client(api: Api) -> Iterator[httpx.Client]:
    with api.client(Scope.ADMIN) as one:
        yield one


def post(client: httpx.Client, key: str, body: dict[str, Any]) -> httpx.Response:
    """Send an article in with a key."""
    return client.post(PATH, json=body, headers={"Idempotency-Key": key})


def test_the_same_request_gets_the_same_answer_and_is_done_once(api: Api, client: httpx.Client) -> None:
    key, given = str(uuid4()), article()
    first = post(client, key, given)
    before = api.stored()

    again = post(client, key, given)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert first.headers["location"] == again.headers["location"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert before == api.stored()


def test_another_body_under_the_same_key_is_422(api: Api, client: httpx.Client) -> None:
    key = str(uuid4())
    post(client, key, article())
    before = api.stored()

    answer = post(client, key, article())

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["header"] == "Idempotency-Key"
    assert before == api.stored()


def test_keys_of_different_clients_do_not_meet(api: Api, client: httpx.Client) -> None:
    key, given = str(uuid4()), article()
    post(client, key, given)

    with api.client(Scope.ADMIN) as other:
        answer = post(other, key, article())

    assert answer.status_code == 201


def test_a_refused_request_is_not_remembered(client: httpx.Client) -> None:
    key, given = str(uuid4()), article()
    refused = post(client, key, {**given, "title": ""})

    accepted = post(client, key, given)

    assert (refused.status_code, accepted.status_code) == (422, 201)


def test_a_conflict_is_not_remembered(client: httpx.Client) -> None:
    key, given = str(uuid4()), article()
    identifier = post(client, str(uuid4()), given).json()["id"]
    client.delete(f"{PATH}/{identifier}")

    answers = [post(client, key, given), post(client, key, {**given, "restore": True})]

    assert [answer.status_code for answer in answers] == [409, 200]


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "a\tb", "khoá"])
def test_a_key_is_visible_ascii_and_not_too_long(api: Api, client: httpx.Client, key: str) -> None:
    before = api.stored()
    headers = [(b"idempotency-key", key.encode()), (b"content-type", b"application/json")]

    answer = client.post(PATH, content=json.dumps(article()), headers=headers)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["header"] == "Idempotency-Key"
    assert before == api.stored()


def test_a_key_of_255_characters_is_taken(client: httpx.Client) -> None:
    assert post(client, "!" * 255, article()).status_code == 201


def test_two_keys_in_one_request_are_refused(client: httpx.Client) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]

    assert client.post(PATH, json=article(), headers=headers).status_code == 422


def test_twenty_equal_requests_at_once_are_done_once(api: Api) -> None:
    key, given = str(uuid4()), article()
    headers = {"Authorization": f"Bearer {api.key(Scope.ADMIN)}", "Idempotency-Key": key}
    before = api.stored()

    async def send_all() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=api.url, headers=headers, timeout=30) as client:
            return await asyncio.gather(*(client.post(PATH, json=given) for _ in range(20)))

    answers = asyncio.run(send_all())

    statuses = Counter(answer.status_code for answer in answers)
    done = [one for one in answers if one.status_code == 201]
    assert set(statuses) <= {201, 409}
    assert len({one.content for one in done}) == 1
    assert sum("idempotency-replayed" not in one.headers for one in done) == 1
    after = api.stored()
    assert (before["articles"] or 0) + 1 == after["articles"]
    assert (before["events"] or 0) + 1 == after["events"]


def test_while_the_first_is_in_flight_the_next_is_409(api: Api) -> None:
    key, given = str(uuid4()), article()
    headers = {"Authorization": f"Bearer {api.key(Scope.ADMIN)}", "Idempotency-Key": key}

    async def send_two() -> tuple[httpx.Response, httpx.Response]:
        async with httpx.AsyncClient(base_url=api.url, headers=headers, timeout=30) as client:
            with api.sessions.begin() as session:
                session.execute(text("LOCK TABLE article_key IN ACCESS EXCLUSIVE MODE"))
                first = asyncio.ensure_future(client.post(PATH, json=given))
                await asyncio.to_thread(until_somebody_waits, api.sessions)
                second = await client.post(PATH, json=given)
            return await first, second

    first, second = asyncio.run(send_two())

    assert (first.status_code, second.status_code) == (201, 409)
    assert second.headers["retry-after"] == "1"


def test_after_a_day_the_key_is_free_again(api: Api, client: httpx.Client) -> None:
    key = str(uuid4())
    post(client, key, article())
    with api.sessions.begin() as session:
        session.execute(
            update(IdempotencyRow)
            .where(IdempotencyRow.key == key)
            .values(created_at=func.now() - timedelta(hours=24, seconds=1))
        )
    other = article()

    answers = [post(client, key, other), post(client, key, other)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert "idempotency-replayed" not in answers[0].headers
    assert answers[1].headers["idempotency-replayed"] == "true"


def test_stored_answers_are_encrypted(api: Api, client: httpx.Client) -> None:
    key = str(uuid4())
    post(client, key, article(title="Chỉ để thử"))

    with api.sessions() as session:
        row = session.scalars(select(IdempotencyRow).where(IdempotencyRow.key == key)).one()

    assert "Chỉ để thử".encode() not in row.encrypted_body
    assert b"title" not in row.encrypted_body


def test_an_answer_that_cannot_be_read_back_is_500_and_no_second_article(api: Api) -> None:
    key, given = str(uuid4()), article()
    # A client of its own: the server closes the connection on which it failed.
    with api.client(Scope.ADMIN) as client:
        post(client, key, given)
    with api.sessions.begin() as session:
        session.execute(
            update(IdempotencyRow).where(IdempotencyRow.key == key).values(encrypted_body=b"\x01" + b"x" * 40)
        )
    before = api.stored()

    with httpx.Client(base_url=client.base_url, headers=client.headers, trust_env=False) as own:
        answer = post(own, key, given)

    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert before == api.stored()
