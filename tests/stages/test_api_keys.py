"""API keys: shown once, stored hashed, void within a second of their revocation."""

import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import text

from publisher.access import ApiKey, Scope, create_key, find_key, list_keys, revoke_key
from publisher.errors import InvalidInput, NotFound
from publisher.ids import new_id
from tests.stages.api_server import Api, article, running_api


@pytest.fixture(scope="module")
def api(postgres_url: str) -> Iterator[Api]:
    with running_api(postgres_url) as running:
        yield running


def test_a_key_is_found_by_itself_and_stored_nowhere(api: Api) -> None:
    with api.sessions.begin() as session:
        key, plain = create_key(session, name="Toà soạn", scopes=["articles:read"])

    with api.sessions() as session:
        found = find_key(session, plain)
        rows = session.execute(text("SELECT api_key::text FROM api_key")).scalars().all()

    assert plain.startswith("pub_")
    assert len(plain) >= 44
    assert key == found
    assert not [row for row in rows if plain in row or plain.removeprefix("pub_") in row]


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "\u200b"])
def test_a_key_needs_a_name(api: Api, name: str) -> None:
    with (
        pytest.raises(InvalidInput, match="name: expected 1 to 100 characters"),
        api.sessions.begin() as session,
    ):
        create_key(session, name=name, scopes=["admin"])


@pytest.mark.parametrize(
    ("scopes", "message"),
    [
        ([], "scopes: expected at least one of articles:read, articles:write"),
        (["articles:read", "root"], "scopes: 'root' is unknown; expected articles:read, articles:write"),
        (["Admin"], "scopes: 'Admin' is unknown"),
    ],
)
def test_scopes_are_checked(api: Api, scopes: list[str], message: str) -> None:
    with pytest.raises(InvalidInput, match=message), api.sessions.begin() as session:
        create_key(session, name="x", scopes=scopes)


def test_keys_are_listed_newest_first_revoked_ones_too(api: Api) -> None:
    with api.sessions.begin() as session:
        first, _ = create_key(session, name="first", scopes=["admin"])
        second, _ = create_key(session, name="second", scopes=["articles:read", "articles:write"])
        revoked = revoke_key(session, first.id)

    with api.sessions() as session:
        listed = list_keys(session)

    assert [second, revoked] == listed[:2]
    assert revoked.revoked_at is not None


def test_a_key_is_revoked_once(api: Api) -> None:
    with api.sessions.begin() as session:
        key, plain = create_key(session, name="x", scopes=["admin"])
        first = revoke_key(session, key.id)

    with api.sessions.begin() as session:
        again = revoke_key(session, key.id)
        found = find_key(session, plain)

    assert first == again
    assert found is None


def test_an_unknown_key_cannot_be_revoked(api: Api) -> None:
    with pytest.raises(NotFound, match="is unknown"), api.sessions.begin() as session:
        revoke_key(session, uuid4())


@pytest.mark.parametrize("plain", ["", "pub_", "pub_" + "x" * 43, "x" * 100_000, "\ud800", "\x00"])
def test_what_is_no_key_is_not_found(api: Api, plain: str) -> None:
    with api.sessions() as session:
        assert find_key(session, plain) is None


def test_admin_may_do_everything() -> None:
    key = ApiKey(id=new_id(), name="x", scopes=frozenset([Scope.ADMIN]), created_at=None)  # type: ignore[arg-type]

    assert all(key.allows(scope) for scope in Scope)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Basic cHViOng=",
        "pub_abc",
        "Bearer pub_unknown",
        "Bearer \xff",
        "Bearer x y",
    ],
)
def test_without_a_known_key_the_answer_is_401(api: Api, header: str | None) -> None:
    headers = [] if header is None else [(b"authorization", header.encode("latin-1"))]

    with api.client() as client:
        answer = client.get("/v1/articles", headers=headers)

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith('Bearer realm="publisher"')
    assert answer.json()["title"] == "Unauthorized"


def test_a_missing_scope_is_named(api: Api) -> None:
    before = api.stored()

    with api.client(Scope.ARTICLES_READ, Scope.ENDPOINTS_WRITE) as client:
        answer = client.post("/v1/articles", json=article())

    assert answer.status_code == 403
    assert "articles:write" in answer.json()["detail"]
    assert 'scope="articles:write"' in answer.headers["www-authenticate"]
    assert before == api.stored()


@pytest.mark.parametrize("scope", [Scope.ARTICLES_WRITE, Scope.ADMIN])
def test_a_key_with_the_scope_may_write(api: Api, scope: Scope) -> None:
    with api.client(scope) as client:
        answer = client.post("/v1/articles", json=article())

    assert answer.status_code == 201


def test_who_has_no_key_is_refused_before_the_body_is_looked_at(api: Api) -> None:
    with api.client() as client:
        answer = client.post("/v1/articles", content=b"{", headers={"content-type": "text/plain"})

    assert answer.status_code == 401


def test_a_revoked_key_is_void_within_a_second(api: Api) -> None:
    with api.sessions.begin() as session:
        key, plain = create_key(session, name="x", scopes=["admin"])
    headers = {"Authorization": f"Bearer {plain}"}

    with api.client() as client:
        before = client.get("/v1/articles", headers=headers).status_code
        with api.sessions.begin() as session:
            revoke_key(session, key.id)
        deadline = time.monotonic() + 1.5
        while client.get("/v1/articles", headers=headers).status_code == 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        after = client.get("/v1/articles", headers=headers).status_code

    assert (before, after) == (200, 401)
