"""`/v1/endpoints` on a real server: every path of the contract, and everything that it refuses."""

import base64
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import func, insert, select

from publisher.access import Scope
from publisher.database import Sessions
from publisher.ids import new_id
from publisher.notify.endpoints.disabling import disable
from publisher.notify.endpoints.pausing import pause_endpoint
from publisher.schema import AttemptRow, DeliveryRow, EndpointRow, EndpointSecretRow, EventRow, MessageRow
from tests.stages.api_server import Api, running_api

AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
# An address: names would ask the resolver. Nothing is ever sent to it.
URL = "https://93.184.216.34/hook"
UNKNOWN = "01890000-0000-7000-8000-000000000000"
BOTH = (Scope.ENDPOINTS_READ, Scope.ENDPOINTS_WRITE)
PRIVATE = [
    "https://127.0.0.1/",
    "https://127.1/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://2130706433/",
    "https://0177.0.0.1/",
    "https://127.0.0.1./",
    "https://0/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[::1]/",
    "https://[::]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:7f00:1::]/",
    "https://[fd00::1]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://localhost/",
    "https://LOCALHOST./",
    "https://hooks.localhost:8443/",
    "https://１２７.0.0.1/",
    "https://①②⑦.0.0.1/",
    "https://127。0。0。1/",
    "https://127.0.0.1%2f@example.com/",
]
NO_ENDPOINT = [
    "",
    "/hook",
    "example.com/hook",
    "https://",
    "https:///hook",
    "http://93.184.216.34/hook",
    "ftp://93.184.216.34/",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "https://user:password@93.184.216.34/",
    "https://user@93.184.216.34/",
    "https://93.184.216.34/\r\nX-Injected: 1",
    "https://93.184.216.34/\nx",
    "https://93.184.216.34/a b",
    "https://93.184.216.34/\x00",
    "https://93.184.216.34:0/",
    "https://93.184.216.34:99999/",
    "https://93.184.216.34/#fragment",
    "https://93.184.216.34\\@10.0.0.1/",
]


@pytest.fixture(scope="module")
def api(postgres_url: str) -> Iterator[Api]:
    """A running API that allows no private address and no plain http."""
    with running_api(postgres_url) as running:
        yield running


@pytest.fixture
def client(api: Api, database: Sessions) -> Iterator[httpx.Client]:
    """A client that may read and write endpoints, on an empty database."""
    with api.client(*BOTH) as client:
        yield client


def registered(client: httpx.Client, **members: Any) -> dict[str, Any]:
    """Register an endpoint; return the answer."""
    answer = client.post("/v1/endpoints", json={"url": URL, **members})
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def pointers(answer: httpx.Response) -> list[str]:
    """Return which members a refusal names, after checking its form."""
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert {"type", "title", "status", "detail", "errors"} <= problem.keys()
    assert all(error["detail"] for error in problem["errors"])
    return [error["pointer"] for error in problem["errors"]]


def count(database: Sessions, row: type) -> int:
    """Return how many rows a table has."""
    with database() as session:
        return session.scalar(select(func.count()).select_from(row)) or 0


def put_delivery(database: Sessions, endpoint_id: str, state: str, *, body: bytes | None = b"{}") -> UUID:
    """Put a message and its delivery in the record; return the message's id."""
    message_id, article_id = new_id(), new_id()
    with database.begin() as session:
        session.execute(
            insert(MessageRow).values(
                id=message_id,
                time=AT,
                type="article.published",
                article_id=article_id,
                sequence=2,
                body=body,
            )
        )
        session.execute(
            insert(DeliveryRow).values(
                message_id=message_id,
                message_time=AT,
                endpoint_id=UUID(endpoint_id),
                article_id=article_id,
                sequence=2,
                shard=0,
                state=state,
                next_attempt_at=AT if state == "pending" else None,
            )
        )
    return message_id


def test_a_registration_shows_everything_and_the_secret(client: httpx.Client) -> None:
    wanted = {
        "url": f"{URL}/a%2Fb?q=1",
        "event_types": ["article.published", "endpoint.*"],
        "categories": ["Xã hội"],
        "description": "Tìm kiếm",
        "rate_per_s": 5,
        "max_in_flight": 3,
        "fifo": True,
        "timeout_s": 10.5,
    }

    answer = client.post("/v1/endpoints", json=wanted)

    assert answer.status_code == 201
    shown = answer.json()
    assert wanted == {name: shown[name] for name in wanted}
    assert (shown["enabled"], shown["disabled_reason"]) == (True, None)
    assert answer.headers["location"].endswith(f"/v1/endpoints/{shown['id']}")
    assert str(UUID(shown["id"])) == shown["id"]
    assert datetime.fromisoformat(shown["created_at"]).tzinfo is not None
    assert shown["created_at"].endswith("Z")
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]+=*", shown["secret"])
    assert len(base64.b64decode(shown["secret"].removeprefix("whsec_"))) == 32


def test_what_is_left_out_has_its_default(client: httpx.Client) -> None:
    shown = registered(client)

    assert shown["event_types"] == ["article.*"]
    assert (shown["categories"], shown["description"], shown["fifo"]) == (None, None, False)
    assert (shown["rate_per_s"], shown["max_in_flight"], shown["timeout_s"]) == (None, None, None)


def test_the_secret_is_shown_only_once(client: httpx.Client) -> None:
    made = registered(client)
    secret = made.pop("secret")

    one = client.get(f"/v1/endpoints/{made['id']}")
    many = client.get("/v1/endpoints")
    changed = client.patch(f"/v1/endpoints/{made['id']}", json={"description": "x"})

    assert one.json() == made
    assert many.json() == {"data": [made], "has_more": False, "next_cursor": None}
    for answer in (one, many, changed):
        assert secret not in answer.text
        assert '"secret"' not in answer.text


def test_the_key_that_registered_is_recorded(client: httpx.Client, database: Sessions) -> None:
    made = registered(client)

    with database() as session:
        assert session.get_one(EndpointRow, UUID(made["id"])).owner is not None


@pytest.mark.parametrize("url", PRIVATE + NO_ENDPOINT)
def test_what_webhooks_may_not_go_to_is_refused_at_post_and_patch(
    client: httpx.Client, database: Sessions, url: str
) -> None:
    refused = client.post("/v1/endpoints", json={"url": url})
    assert pointers(refused) == ["/url"]
    assert count(database, EndpointRow) == 0
    made = registered(client)

    refused = client.patch(f"/v1/endpoints/{made['id']}", json={"url": url})

    assert pointers(refused) == ["/url"]
    assert client.get(f"/v1/endpoints/{made['id']}").json()["url"] == URL


def test_a_setting_allows_networks_and_plain_http(postgres_url: str, database: Sessions) -> None:
    with (
        running_api(postgres_url, allowed_networks="127.0.0.0/8", allow_http=True) as running,
        running.client(*BOTH) as client,
    ):
        allowed = client.post("/v1/endpoints", json={"url": "http://127.0.0.5:8080/hook"})
        refused = client.post("/v1/endpoints", json={"url": "http://10.0.0.1/hook"})

    assert allowed.status_code == 201
    assert pointers(refused) == ["/url"]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"url": None}, ["/url"]),
        ({"url": 7}, ["/url"]),
        ({"event_types": ["article.nothing"]}, ["/event_types/0"]),
        ({"event_types": []}, ["/event_types"]),
        ({"event_types": "article.*"}, ["/event_types"]),
        ({"categories": ["Xã hội", ""]}, ["/categories/1"]),
        ({"description": "x" * 501}, ["/description"]),
        ({"rate_per_s": 0}, ["/rate_per_s"]),
        ({"max_in_flight": 1000}, ["/max_in_flight"]),
        ({"fifo": "true"}, ["/fifo"]),
        ({"timeout_s": 60}, ["/timeout_s"]),
        ({"secret": "whsec_mine"}, ["/secret"]),
        ({"id": UNKNOWN, "created_at": "2026-05-04T03:02:01Z"}, ["/id", "/created_at"]),
    ],
)
def test_members_that_make_no_sense_are_named_at_post_and_patch(
    client: httpx.Client, database: Sessions, members: dict[str, Any], expected: list[str]
) -> None:
    assert sorted(expected) == sorted(pointers(client.post("/v1/endpoints", json={"url": URL, **members})))
    assert count(database, EndpointRow) == 0
    made = registered(client)
    before = client.get(f"/v1/endpoints/{made['id']}").json()

    refused = client.patch(f"/v1/endpoints/{made['id']}", json=members)

    assert sorted(expected) == sorted(pointers(refused))
    assert before == client.get(f"/v1/endpoints/{made['id']}").json()


def test_an_endpoint_without_url_is_refused(client: httpx.Client) -> None:
    assert pointers(client.post("/v1/endpoints", json={})) == ["/url"]
    assert pointers(client.post("/v1/endpoints", json={"url": URL, "enabled": False})) == ["/enabled"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[]", "application/json", 422),
        (b'{"url": "https://example.com/\\ud800"}', "application/json", 422),
        (b"url=x", "application/x-www-form-urlencoded", 415),
    ],
)
def test_a_body_that_is_no_object_in_json_is_refused(
    client: httpx.Client, body: bytes, kind: str, status: int
) -> None:
    answer = client.post("/v1/endpoints", content=body, headers={"content-type": kind})

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_a_change_is_answered_with_the_endpoint(client: httpx.Client) -> None:
    made = registered(client, categories=["Xã hội"], rate_per_s=5)
    made.pop("secret")
    wanted = {"url": f"{URL}/2", "event_types": ["*"], "categories": None, "rate_per_s": None, "fifo": True}

    answer = client.patch(f"/v1/endpoints/{made['id']}", json=wanted)

    assert (answer.status_code, answer.json()) == (200, {**made, **wanted})
    assert client.get(f"/v1/endpoints/{made['id']}").json() == {**made, **wanted}


def test_a_change_of_nothing_changes_nothing(client: httpx.Client) -> None:
    made = registered(client)
    made.pop("secret")

    assert client.patch(f"/v1/endpoints/{made['id']}", json={}).json() == made


def test_an_endpoint_is_disabled_and_enabled_again(client: httpx.Client, database: Sessions) -> None:
    endpoint_id = registered(client)["id"]
    put_delivery(database, endpoint_id, "pending")

    path = f"/v1/endpoints/{endpoint_id}"

    disabled = client.patch(path, json={"enabled": False}).json()
    held = client.get(f"{path}/deliveries").json()["data"]
    enabled = client.patch(path, json={"enabled": True}).json()
    still_held = client.get(f"{path}/deliveries", params={"state": "held"}).json()["data"]

    assert (disabled["enabled"], disabled["disabled_reason"]) == (False, "manual")
    assert (enabled["enabled"], enabled["disabled_reason"]) == (True, None)
    assert [one["state"] for one in held] == ["held"]
    assert still_held == held


@pytest.mark.parametrize("act", ["disable", "enable", "delete"])
def test_a_long_queue_is_stopped_to_its_end(
    client: httpx.Client, database: Sessions, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    monkeypatch.setattr("publisher.notify.endpoints.waiting.SLICE", 2)
    monkeypatch.setattr("publisher.api.stopping.SLICE", 2)
    endpoint_id = registered(client)["id"]
    for _ in range(5):
        put_delivery(database, endpoint_id, "pending")
    path = f"/v1/endpoints/{endpoint_id}"

    if act == "enable":
        # As a sender does it: the first slice, and the rest as it comes due.
        with database.begin() as session:
            disable(session, UUID(endpoint_id), "gone")
        client.patch(path, json={"enabled": True})
    elif act == "disable":
        client.patch(path, json={"enabled": False})
    else:
        client.delete(path)

    with database() as session:
        found = set(session.scalars(select(DeliveryRow.state)))
    assert found == {"cancelled" if act == "delete" else "held"}


def test_a_disabled_endpoint_is_neither_tested_nor_replayed_to(client: httpx.Client) -> None:
    endpoint_id = registered(client)["id"]
    client.patch(f"/v1/endpoints/{endpoint_id}", json={"enabled": False})

    tested = client.post(f"/v1/endpoints/{endpoint_id}/test")
    replayed = client.post(f"/v1/endpoints/{endpoint_id}/replay", json={"since": "2026-05-04T00:00:00Z"})

    assert (tested.status_code, replayed.status_code) == (409, 409)
    assert "enable it first" in replayed.json()["detail"]


def test_a_deleted_endpoint_is_unknown(client: httpx.Client, database: Sessions) -> None:
    endpoint_id = registered(client)["id"]

    answer = client.delete(f"/v1/endpoints/{endpoint_id}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get(f"/v1/endpoints/{endpoint_id}").status_code == 404
    assert client.delete(f"/v1/endpoints/{endpoint_id}").status_code == 404
    assert client.get("/v1/endpoints").json()["data"] == []
    assert count(database, EndpointSecretRow) == 0


@pytest.mark.parametrize("endpoint_id", [UNKNOWN, "none", "..", "0", "x" * 300, "%00"])
def test_an_unknown_endpoint_is_404_everywhere(client: httpx.Client, endpoint_id: str) -> None:
    path = f"/v1/endpoints/{endpoint_id}"
    since = {"since": "2026-05-04T00:00:00Z"}

    answers = [
        client.get(f"{path}/deliveries"),
        client.patch(path, json={"fifo": True}),
        client.post(f"{path}/test"),
        client.post(f"{path}/rotate-secret"),
        client.post(f"{path}/replay", json=since),
    ]

    for answer in answers:
        assert (answer.status_code, answer.json()["status"]) == (404, 404)


def test_a_test_is_accepted_with_the_id_of_its_message(client: httpx.Client, database: Sessions) -> None:
    endpoint_id = registered(client)["id"]

    answer = client.post(f"/v1/endpoints/{endpoint_id}/test")

    assert answer.status_code == 202
    with database() as session:
        event = session.scalars(select(EventRow)).one()
    assert answer.json() == {"message_id": f"msg_{event.id.hex}"}
    assert (event.type, str(event.subject)) == ("endpoint.test", endpoint_id)


def test_a_rotation_shows_a_new_secret_and_the_end_of_the_old(client: httpx.Client) -> None:
    made = registered(client)

    answer = client.post(f"/v1/endpoints/{made['id']}/rotate-secret")

    assert answer.status_code == 200
    shown = answer.json()
    assert shown.keys() == {"secret", "old_secrets_expire_at"}
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]+=*", shown["secret"])
    assert shown["secret"] != made["secret"]
    left = datetime.fromisoformat(shown["old_secrets_expire_at"]) - datetime.now(UTC)
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)


def test_what_takes_no_members_refuses_them(client: httpx.Client) -> None:
    path = f"/v1/endpoints/{registered(client)['id']}/test"

    assert pointers(client.post(path, json={"keep": True})) == ["/keep"]
    assert client.post(path, content=b"{").status_code == 400
    assert client.post(path, json={}).is_success


def test_the_same_registration_twice_is_one_endpoint(client: httpx.Client, database: Sessions) -> None:
    headers = {"Idempotency-Key": "made-once"}

    first = client.post("/v1/endpoints", json={"url": URL}, headers=headers)
    again = client.post("/v1/endpoints", json={"url": URL}, headers=headers)
    other = client.post("/v1/endpoints", json={"url": f"{URL}/2"}, headers=headers)

    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert count(database, EndpointRow) == 1


@pytest.mark.parametrize("action", ["test", "rotate-secret", "replay"])
def test_the_same_action_twice_is_done_once(client: httpx.Client, action: str) -> None:
    path = f"/v1/endpoints/{registered(client)['id']}/{action}"
    body = {"since": "2026-05-04T00:00:00Z"} if action == "replay" else {}

    first, again = (client.post(path, json=body, headers={"Idempotency-Key": action}) for _ in range(2))

    assert (first.is_success, first.json()) == (True, again.json())
    assert again.headers["idempotency-replayed"] == "true"


def test_lists_are_paged_newest_first_while_others_write(client: httpx.Client) -> None:
    made = [registered(client)["id"] for _ in range(5)]
    expected = sorted(made, reverse=True)

    first = client.get("/v1/endpoints", params={"limit": 2}).json()
    registered(client)
    second = client.get("/v1/endpoints", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    third = client.get("/v1/endpoints", params={"limit": 2, "cursor": second["next_cursor"]}).json()

    pages = [[one["id"] for one in page["data"]] for page in (first, second, third)]
    assert pages == [expected[:2], expected[2:4], expected[4:]]
    assert [page["has_more"] for page in (first, second, third)] == [True, True, False]
    assert third["next_cursor"] is None


def test_deliveries_are_shown_with_their_attempts(client: httpx.Client, database: Sessions) -> None:
    endpoint_id = registered(client)["id"]
    message_id = put_delivery(database, endpoint_id, "pending")
    with database.begin() as session:
        row = session.scalars(select(DeliveryRow)).one()
        session.execute(
            insert(AttemptRow).values(
                at=AT,
                delivery_id=row.id,
                endpoint_id=row.endpoint_id,
                number=1,
                trigger="auto",
                url=URL,
                status=503,
                duration_ms=812,
                address="93.184.216.34",
                response_headers={"server": "nginx", "via": "a, b"},
                response_body="später",
            )
        )

    answer = client.get(f"/v1/endpoints/{endpoint_id}/deliveries")

    attempt = {
        "number": 1,
        "trigger": "auto",
        "at": "2026-05-04T03:02:01Z",
        "url": URL,
        "status": 503,
        "error": None,
        "duration_ms": 812,
        "address": "93.184.216.34",
        "response_headers": {"server": "nginx", "via": "a, b"},
        "response_body": "später",
    }
    delivery = {
        "id": str(row.id),
        "message_id": f"msg_{message_id.hex}",
        "event_type": "article.published",
        "article_id": str(row.article_id),
        "sequence": 2,
        "state": "pending",
        "next_attempt_at": "2026-05-04T03:02:01Z",
        "attempts": [attempt],
    }
    assert (answer.status_code, answer.json()) == (
        200,
        {"data": [delivery], "has_more": False, "next_cursor": None},
    )


def test_deliveries_are_chosen_by_state_and_paged(client: httpx.Client, database: Sessions) -> None:
    endpoint_id = registered(client)["id"]
    path = f"/v1/endpoints/{endpoint_id}/deliveries"
    failed = [f"msg_{put_delivery(database, endpoint_id, 'failed').hex}" for _ in range(3)]
    put_delivery(database, endpoint_id, "succeeded")

    first = client.get(path, params={"state": "failed", "limit": 2}).json()
    rest = client.get(path, params={"state": "failed", "cursor": first["next_cursor"]}).json()

    found = [one["message_id"] for page in (first, rest) for one in page["data"]]
    assert found == sorted(failed, reverse=True)
    assert (first["has_more"], rest["has_more"]) == (True, False)


def test_what_is_due_is_held_while_an_operator_has_paused_the_endpoint(
    client: httpx.Client, database: Sessions
) -> None:
    endpoint_id = registered(client)["id"]
    path = f"/v1/endpoints/{endpoint_id}"
    put_delivery(database, endpoint_id, "pending")
    with database.begin() as session:
        pause_endpoint(session, UUID(endpoint_id), reason=None)

    held = client.get(f"{path}/deliveries", params={"state": "held"}).json()["data"]
    pending = client.get(f"{path}/deliveries", params={"state": "pending"}).json()["data"]
    paused = client.get(path).json()["paused"]
    lifted = client.patch(path, json={"paused": False})

    assert [one["state"] for one in held] == ["held"]
    assert (pending, paused) == ([], True)
    # Whoever has paused it resumes it.
    assert lifted.status_code == 422


@pytest.mark.parametrize(
    "query",
    [
        {"state": "lost"},
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "x"},
        {"cursor": "?"},
        {"status": "held"},
    ],
)
def test_a_query_that_makes_no_sense_is_named(client: httpx.Client, query: dict[str, str]) -> None:
    answer = client.get(f"/v1/endpoints/{registered(client)['id']}/deliveries", params=query)

    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json()["errors"]] == [*query]


def test_a_replay_is_accepted_with_the_number_of_deliveries(client: httpx.Client, database: Sessions) -> None:
    endpoint_id = registered(client)["id"]
    for state in ("failed", "held", "succeeded", "cancelled"):
        put_delivery(database, endpoint_id, state)
    put_delivery(database, endpoint_id, "failed", body=None)
    put_delivery(database, registered(client)["id"], "succeeded")
    path = f"/v1/endpoints/{endpoint_id}/replay"
    since = "2026-05-04T10:02:01+07:00"

    too_late = client.post(path, json={"since": "2026-05-04T03:02:02Z"})
    some = client.post(path, json={"since": since, "states": ["held"]})
    rest = client.post(path, json={"since": since, "until": "2026-05-05T00:00:00Z"})

    assert [one.status_code for one in (too_late, some, rest)] == [202, 202, 202]
    # The rest: the failed one that was not scrubbed, and the other endpoint's message, missing here.
    assert [one.json() for one in (too_late, some, rest)] == [{"replayed": n} for n in (0, 1, 2)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ["/since"]),
        ({"since": "2026-05-04T03:02:01"}, ["/since"]),
        ({"since": 5}, ["/since"]),
        ({"since": "2026-05-04T03:02:01Z", "until": "2026-05-04T03:02:01Z"}, ["/until"]),
        ({"since": "2026-05-04T03:02:01Z", "states": ["failed", "lost"]}, ["/states/1"]),
        ({"since": "2026-05-04T03:02:01Z", "states": []}, ["/states"]),
        ({"since": "2026-05-04T03:02:01Z", "state": "failed"}, ["/state"]),
    ],
)
def test_a_replay_that_makes_no_sense_is_refused(
    client: httpx.Client, body: dict[str, Any], expected: list[str]
) -> None:
    answer = client.post(f"/v1/endpoints/{registered(client)['id']}/replay", json=body)

    assert pointers(answer) == expected


def test_without_a_key_nothing_is_shown(api: Api, database: Sessions) -> None:
    with api.client() as client:
        answers = [client.get("/v1/endpoints"), client.post("/v1/endpoints", json={"url": URL})]

    assert [one.status_code for one in answers] == [401, 401]
    assert count(database, EndpointRow) == 0


def test_reading_and_writing_need_their_scopes(api: Api, database: Sessions) -> None:
    with api.client(*BOTH) as client:
        path = f"/v1/endpoints/{registered(client)['id']}"
    since = {"since": "2026-05-04T00:00:00Z"}

    readable = (path, "/v1/endpoints", f"{path}/deliveries")

    with api.client(Scope.ENDPOINTS_READ, Scope.ARTICLES_WRITE) as reader:
        refused = [
            reader.post("/v1/endpoints", json={"url": URL}),
            reader.patch(path, json={"fifo": True}),
            reader.delete(path),
            reader.post(f"{path}/test"),
            reader.post(f"{path}/rotate-secret"),
            reader.post(f"{path}/replay", json=since),
        ]
        shown = [reader.get(one) for one in readable]
    with api.client(Scope.ENDPOINTS_WRITE) as writer:
        unread = [writer.get(one) for one in readable]

    assert [one.status_code for one in shown] == [200] * 3
    assert [one.status_code for one in refused + unread] == [403] * 9
    assert all("endpoints:write" in one.json()["detail"] for one in refused)
    assert all("endpoints:read" in one.json()["detail"] for one in unread)


def test_another_key_sees_and_changes_the_same_endpoints(api: Api, database: Sessions) -> None:
    with api.client(*BOTH) as one:
        path = f"/v1/endpoints/{registered(one)['id']}"

    with api.client(Scope.ADMIN) as other:
        assert other.get(path).status_code == 200
        assert other.delete(path).status_code == 204
