"""Secrets that clients give themselves, and rotations as they want them; everything that is refused."""

import base64
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import func, select
from structlog.testing import capture_logs

from publisher.access import Scope
from publisher.database import Sessions
from publisher.notify.secrets.box import SecretBox, parse_secret, show_secret
from publisher.notify.secrets.endpoint_secrets import MAX_LIVE, live_secrets
from publisher.schema import EndpointRow, EndpointSecretRow
from tests.stages.api_server import Api, running_api

URL = "https://93.184.216.34/hook"
OWN = show_secret(bytes(range(32)))
BOX = SecretBox("a key for tests only")
BAD_SECRETS = [
    "",
    "whsec_",
    7,
    True,
    ["whsec_"],
    show_secret(b"a" * 23),
    show_secret(b"a" * 65),
    show_secret(b"a" * 32).removeprefix("whsec_"),
    "whsec_" + base64.urlsafe_b64encode(b"\xff" * 32).decode(),
    "whsec_" + "A" * 33,
    "whsec_" + "A" * 32 + "\n",
    " whsec_" + "A" * 32,
    "WHSEC_" + "A" * 32,
    "whsk_" + "A" * 32,
    "whsec_" + "Ạ" * 32,
    "whsec_" + "A" * 31 + "\x00",
    "whsec_" + "A" * 1_000_000,
    "0123456789abcdef" * 4,
]


@pytest.fixture(scope="module")
def api(postgres_url: str) -> Iterator[Api]:
    with running_api(postgres_url) as running:
        yield running


@pytest.fixture
def client(api: Api, database: Sessions) -> Iterator[httpx.Client]:
    """A client that may read and write endpoints, on an empty database."""
    with api.client(Scope.ENDPOINTS_READ, Scope.ENDPOINTS_WRITE) as client:
        yield client


def registered(client: httpx.Client, **members: Any) -> dict[str, Any]:
    answer = client.post("/v1/endpoints", json={"url": URL, **members})
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def live(database: Sessions, endpoint_id: str, *, after: timedelta = timedelta(0)) -> tuple[str, ...]:
    """Return what signs now, or later, as clients configure it."""
    identifier, at = UUID(endpoint_id), datetime.now(UTC) + after
    with database() as session:
        return tuple(map(show_secret, live_secrets(session, [identifier], box=BOX, at=at)[identifier]))


def refusals(answer: httpx.Response) -> list[str]:
    """Return which members a refusal names."""
    assert answer.status_code == 422, answer.text
    assert all(one["detail"] for one in answer.json()["errors"])
    return [one["pointer"] for one in answer.json()["errors"]]


@pytest.mark.parametrize("secret", [show_secret(b"s" * 24), OWN, show_secret(b"a" * 64)])
def test_an_endpoint_signs_with_the_secret_that_its_client_gave(
    client: httpx.Client, database: Sessions, secret: str
) -> None:
    made = registered(client, secret=secret)

    assert made["secret"] == secret
    assert live(database, made["id"]) == (secret,)
    assert secret not in client.get(f"/v1/endpoints/{made['id']}").text


def test_null_is_a_secret_that_is_made_here(client: httpx.Client) -> None:
    secrets = {registered(client, secret=None)["secret"], registered(client)["secret"]}

    assert len(secrets) == 2
    assert {len(parse_secret(one)) for one in secrets} == {32}


@pytest.mark.parametrize("secret", BAD_SECRETS, ids=lambda secret: repr(secret)[:20])
def test_a_bad_secret_is_named_at_both_doors_and_repeated_nowhere(
    client: httpx.Client, database: Sessions, caplog: pytest.LogCaptureFixture, secret: Any
) -> None:
    path = f"/v1/endpoints/{registered(client)['id']}/rotate-secret"

    with capture_logs() as logs, caplog.at_level(logging.DEBUG):
        refused = client.post("/v1/endpoints", json={"url": URL, "secret": secret})
        kept = client.post(path, json={"secret": secret})

    told = (
        "expected whsec_ and 24 to 64 bytes in standard base64",
        "must hold 24 to 64 bytes",
        "must be whsec_",
    )
    for answer in (refused, kept):
        assert refusals(answer) == ["/secret"]
        assert answer.json()["errors"][0]["detail"].startswith(told)
        assert len(str(secret)) < 10 or str(secret) not in answer.text + caplog.text + repr(logs)
    with database() as session:
        assert session.scalar(select(func.count()).select_from(EndpointRow)) == 1
        assert session.scalar(select(func.count()).select_from(EndpointSecretRow)) == 1


def test_a_secret_is_in_no_log_and_in_no_table(
    client: httpx.Client, database: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    next_own = show_secret(b"b" * 32)
    with capture_logs() as logs, caplog.at_level(logging.DEBUG):
        made = registered(client, secret=OWN)
        client.post(f"/v1/endpoints/{made['id']}/rotate-secret", json={"secret": next_own})

    with database() as session:
        rows = session.scalars(select(EndpointSecretRow)).all()
    assert len(rows) == 2
    for secret in (OWN, next_own):
        assert secret.removeprefix("whsec_") not in caplog.text + repr(logs)
        assert not any(parse_secret(secret) in row.encrypted for row in rows)


def test_a_change_takes_no_secret(client: httpx.Client, database: Sessions) -> None:
    made = registered(client)

    refused = client.patch(f"/v1/endpoints/{made['id']}", json={"secret": OWN, "description": "x"})

    assert refusals(refused) == ["/secret"]
    assert OWN not in refused.text
    assert live(database, made["id"]) == (made["secret"],)
    assert client.get(f"/v1/endpoints/{made['id']}").json()["description"] is None


def test_a_rotation_takes_a_secret_and_an_overlap(client: httpx.Client, database: Sessions) -> None:
    made = registered(client)

    answer = client.post(
        f"/v1/endpoints/{made['id']}/rotate-secret", json={"secret": OWN, "overlap_s": 604_800}
    )

    assert answer.status_code == 200
    assert answer.json()["secret"] == OWN
    left = datetime.fromisoformat(answer.json()["old_secrets_expire_at"]) - datetime.now(UTC)
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)
    assert live(database, made["id"], after=timedelta(days=6)) == (OWN, made["secret"])
    assert live(database, made["id"], after=timedelta(days=7)) == (OWN,)


def test_without_an_overlap_the_old_secret_ends_at_once(client: httpx.Client, database: Sessions) -> None:
    made = registered(client)
    path = f"/v1/endpoints/{made['id']}/rotate-secret"

    shown = client.post(path, json={"overlap_s": 0}).json()

    assert live(database, made["id"], after=-timedelta(minutes=1)) == (shown["secret"],)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"overlap_s": -1}, ["/overlap_s"]),
        ({"overlap_s": 604_801}, ["/overlap_s"]),
        ({"overlap_s": 1.5}, ["/overlap_s"]),
        ({"overlap_s": "60"}, ["/overlap_s"]),
        ({"overlap_s": True}, ["/overlap_s"]),
        ({"overlap_s": None}, ["/overlap_s"]),
        ({"overlap_s": 10**30}, ["/overlap_s"]),
        ({"secret": "x", "overlap_s": -1}, ["/secret", "/overlap_s"]),
        ({"keep": True}, ["/keep"]),
    ],
)
def test_a_rotation_that_makes_no_sense_changes_nothing(
    client: httpx.Client, database: Sessions, members: dict[str, Any], expected: list[str]
) -> None:
    made = registered(client)

    refused = client.post(f"/v1/endpoints/{made['id']}/rotate-secret", json=members)

    assert refusals(refused) == expected
    assert live(database, made["id"]) == (made["secret"],)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", None, 200),
        (b"", "application/json", 200),
        (b"", "application/x-www-form-urlencoded", 200),
        (b"{}", None, 200),
        (b"{}", "application/json; charset=utf-8", 200),
        (b"{}", "text/plain", 200),
        (b" { } ", "application/json", 200),
        (b'{"overlap_s": 0}', None, 415),
        (b'{"overlap_s": 0}', "text/plain", 415),
        (b"overlap_s=0", "application/x-www-form-urlencoded", 415),
        (b"{", "application/json", 400),
        (b" ", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"null", "application/json", 422),
        (b"[]", "application/json", 422),
        (b'{"overlap_s": 0, "overlap_s": 60}', "application/json", 422),
    ],
)
def test_a_rotation_needs_no_body_and_reads_json_only(
    client: httpx.Client, database: Sessions, body: bytes, kind: str | None, status: int
) -> None:
    made = registered(client)
    headers = {} if kind is None else {"content-type": kind}

    answer = client.post(f"/v1/endpoints/{made['id']}/rotate-secret", content=body, headers=headers)

    assert answer.status_code == status, answer.text
    assert len(live(database, made["id"])) == (2 if status == 200 else 1)


def test_the_secret_that_is_live_already_is_a_conflict(client: httpx.Client, database: Sessions) -> None:
    made = registered(client, secret=OWN)

    answer = client.post(f"/v1/endpoints/{made['id']}/rotate-secret", json={"secret": OWN})

    assert (answer.status_code, OWN in answer.text) == (409, False)
    assert answer.json()["detail"].startswith("secret: is live at endpoint")
    assert live(database, made["id"]) == (OWN,)


def test_the_same_rotation_twice_is_done_once(client: httpx.Client, database: Sessions) -> None:
    made = registered(client)
    path, headers = f"/v1/endpoints/{made['id']}/rotate-secret", {"Idempotency-Key": "once"}

    first, again = (client.post(path, json={"secret": OWN}, headers=headers) for _ in range(2))
    other = client.post(path, json={"secret": show_secret(b"c" * 32)}, headers=headers)

    assert (first.status_code, again.status_code, other.status_code) == (200, 200, 422)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert live(database, made["id"]) == (OWN, made["secret"])


def test_an_eleventh_live_secret_is_a_conflict(client: httpx.Client, database: Sessions) -> None:
    made = registered(client)
    path = f"/v1/endpoints/{made['id']}/rotate-secret"
    for _ in range(MAX_LIVE - 1):
        assert client.post(path).status_code == 200

    answer = client.post(path)

    assert answer.status_code == 409
    assert len(live(database, made["id"])) == MAX_LIVE
