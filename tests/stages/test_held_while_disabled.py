"""What is published while an endpoint is disabled is listed as held; once enabled, a replay sends it."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from publisher.access import Scope
from publisher.database import Sessions
from publisher.notify.fan_out.happened import load_happened
from publisher.notify.fan_out.stage import prepare, store_deliveries
from publisher.notify.secrets.box import SecretBox
from tests.receivers import Receivers
from tests.stages.api_server import running_api
from tests.stages.articles import ARCHIVE, published, run
from tests.stages.pumps import RunningPump
from tests.waiting import eventually

SECRET_KEY = "a key for tests only"


@pytest.fixture
def client(postgres_url: str, database: Sessions) -> Iterator[httpx.Client]:
    with (
        running_api(
            postgres_url, secret_key=SECRET_KEY, allow_http=True, allowed_networks="127.0.0.0/8"
        ) as api,
        api.client(Scope.ADMIN) as client,
    ):
        yield client


def publish(database: Sessions, number: int) -> None:
    """Publish an article, and fan it out."""
    with database.begin() as session:
        published(session, url=f"https://news.example/{number}")
        run(session, "fan_out", partial(load_happened, archive=ARCHIVE), prepare, store_deliveries)


def listed(client: httpx.Client, path: str, state: str) -> list[Any]:
    """Return an endpoint's deliveries in a state."""
    found: list[Any] = client.get(f"{path}/deliveries", params={"state": state}).json()["data"]
    return found


def test_what_is_published_while_an_endpoint_is_disabled_is_held_until_a_replay(
    client: httpx.Client, database: Sessions
) -> None:
    with Receivers() as receivers, RunningPump(database, SecretBox(SECRET_KEY)):
        made = client.post("/v1/endpoints", json={"url": receivers.url("/mine")}).json()
        path = f"/v1/endpoints/{made['id']}"
        client.patch(path, json={"enabled": False})
        for number in range(3):
            publish(database, number)

        held = listed(client, path, "held")
        client.patch(path, json={"enabled": True})
        still_held = listed(client, path, "held")
        nothing = receivers.received("/mine")
        replayed = client.post(f"{path}/replay", json={"since": made["created_at"], "states": ["held"]})
        eventually(lambda: len(listed(client, path, "succeeded")) == 3)

        assert len(held) == 3
        assert [one["next_attempt_at"] for one in held] == [None] * 3
        assert (still_held, nothing) == (held, [])
        assert (replayed.status_code, replayed.json()) == (202, {"replayed": 3})
        arrived = [one.headers["webhook-id"] for one in receivers.received("/mine")]
        assert sorted(arrived) == sorted(one["message_id"] for one in held)
        triggers = [one["attempts"][0]["trigger"] for one in listed(client, path, "succeeded")]
        assert triggers == ["replay"] * 3
