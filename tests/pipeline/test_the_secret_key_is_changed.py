"""The secret key is changed as docs/operations.md says, with real processes: each webhook verifies.

Guards: old keys still decrypt (`SecretBox`); senders know the new key before anybody stores under it (the
order of the steps); after `reencrypt` nothing needs the old one (`reencrypt_all`).
"""

from uuid import UUID

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from publisher.access import create_key
from publisher.notify.outcome import DeliveryState
from tests.pipeline.system import SECRET_KEY, STARTS_WITHIN_S, System
from tests.receivers import Receivers
from tests.stages.command import publisher_on
from tests.stages.subscribers import Subscribers
from tests.waiting import eventually

NEW_KEY = "the key that comes after it"
BOTH = {"PUBLISHER_SECRET_KEY": NEW_KEY, "PUBLISHER_OLD_SECRET_KEYS": SECRET_KEY}
NEW = {"PUBLISHER_SECRET_KEY": NEW_KEY}


class Newsroom:
    """Endpoints that are registered by the API, and what they were sent."""

    def __init__(self, system: System, receivers: Receivers) -> None:
        with system.sessions.begin() as session:
            _, key = create_key(session, name="tests", scopes=["admin"])
        self._headers = {"Authorization": f"Bearer {key}"}
        self._receivers = receivers
        self._told = Subscribers(system.sessions)
        self._secrets: dict[str, str] = {}
        self._ids: list[UUID] = []

    def register(self, web: httpx.Client) -> None:
        """Register one more endpoint."""
        path = f"/{len(self._ids)}"
        body = {"url": self._receivers.url(path, host=len(self._ids) + 1)}
        made = web.post("/v1/endpoints", json=body, headers=self._headers)
        assert made.status_code == 201, made.text
        self._secrets[path] = made.json()["secret"]
        self._ids.append(UUID(made.json()["id"]))

    def all_are_told(self) -> None:
        """Tell every endpoint something, and see it arrive, signed with the secret that the API has shown."""
        before = self._receivers.count
        self._told.tell(*self._ids)
        eventually(lambda: self._receivers.count == before + len(self._ids), within_s=STARTS_WITHIN_S)
        eventually(lambda: self._told.all_are(DeliveryState.SUCCEEDED))
        for received in self._receivers.received()[before:]:
            Webhook(self._secrets[received.path]).verify(received.body, dict(received.headers))


def test_every_webhook_arrives_while_the_secret_key_is_changed(
    system: System,
    postgres_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publisher = publisher_on(capsys, monkeypatch)
    for name, value in {**BOTH, "PUBLISHER_DATABASE_URL": postgres_url}.items():
        monkeypatch.setenv(name, value)
    with Receivers() as receivers:
        newsroom = Newsroom(system, receivers)
        sender = system.start("sender", PUBLISHER_OLD_SECRET_KEYS="")
        with system.start_web(PUBLISHER_OLD_SECRET_KEYS="") as web:
            newsroom.register(web)
            newsroom.all_are_told()
            system.kill(sender)
            sender = system.start("sender", **BOTH)
            newsroom.register(web)
            newsroom.all_are_told()
        with system.start_web(**BOTH) as web:
            newsroom.register(web)
            newsroom.all_are_told()
            needed = publisher("secret", "reencrypt", "--dry-run", "--json")
            ended = publisher("secret", "reencrypt", "--json")
            newsroom.all_are_told()
        system.kill(sender)
        system.start("sender", **NEW, PUBLISHER_OLD_SECRET_KEYS="")
        with system.start_web(**NEW, PUBLISHER_OLD_SECRET_KEYS="") as web:
            newsroom.register(web)
            newsroom.all_are_told()

    assert (needed.status, needed.json["old"], needed.json["current"]) == (1, 2, 1)
    assert (ended.status, ended.json["reencrypted"], ended.json["old"]) == (0, 2, 0)
