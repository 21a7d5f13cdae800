"""`publisher key …`, on a real database."""

import pytest

from publisher.access import Scope, find_key
from publisher.database import Sessions
from tests.stages.command import Publisher


@pytest.mark.parametrize(
    "scopes",
    [
        ["--scope", "articles:read", "--scope", "articles:write"],
        ["--scope", "articles:read,articles:write"],
        ["--scope", "articles:read", "articles:write"],
    ],
)
def test_a_new_key_is_all_that_is_printed(
    publisher: Publisher, database: Sessions, scopes: list[str]
) -> None:
    ended = publisher("key", "create", "--name", "tòa soạn", *scopes)

    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("pub_")
    with database() as session:
        found = find_key(session, ended.out.removesuffix("\n"))
    assert found is not None
    assert found.scopes == {Scope.ARTICLES_READ, Scope.ARTICLES_WRITE}


def test_keys_are_listed_without_the_keys_themselves(publisher: Publisher) -> None:
    plain = publisher("key", "create", "--name", "tòa soạn", "--scope", "admin").out.strip()

    for_programs = publisher("key", "list", "--json")
    for_people = publisher("key", "list")

    (shown,) = for_programs.json
    assert (shown["name"], shown["scopes"], shown["revoked_at"]) == ("tòa soạn", ["admin"], None)
    assert shown["created_at"].endswith("Z")
    assert plain not in for_programs.out + for_people.out
    assert f"{shown['id']}  tòa soạn  admin" in for_people.out
    assert "\x1b" not in for_people.out


def test_a_revoked_key_opens_nothing(publisher: Publisher, database: Sessions) -> None:
    made = publisher("key", "create", "--name", "tòa soạn", "--scope", "admin", "--json").json

    revoked = publisher("key", "revoke", made["id"], "--json")

    assert revoked.json["revoked_at"] is not None
    with database() as session:
        assert find_key(session, made["key"]) is None


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["create", "--name", "x", "--scope", "articles"],
            "scopes: 'articles' is unknown; expected articles:read",
        ),
        (["create", "--name", " ", "--scope", "admin"], "name: expected 1 to 100 characters"),
        (["create", "--name", "x"], "Missing option '--scope'"),
        (["create", "--scope", "admin"], "Missing option '--name'"),
        (["revoke", "7"], "ID: is '7', expected a UUID"),
        (["revoke", "018f0000-0000-7000-8000-0000000000ff"], "is unknown"),
    ],
)
def test_what_makes_no_sense_is_one_line(publisher: Publisher, arguments: list[str], told: str) -> None:
    ended = publisher("key", *arguments)

    assert (ended.status, ended.out) == (2, "")
    assert told in ended.complaint
