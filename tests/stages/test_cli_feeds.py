"""`publisher feed …`, on a real database."""

import pytest

from feeds.catalog import PrivateAddress
from feeds.standing import find_standing
from publisher.database import Sessions
from tests.stages.command import Publisher


def is_open(database: Sessions, url: str) -> bool:
    path = url[url.index("/feeds/") :]
    address = PrivateAddress.parse(path)
    assert address is not None
    with database() as session:
        return find_standing(session, address) is not None


def test_the_addresses_are_all_that_is_printed(publisher: Publisher, database: Sessions) -> None:
    ended = publisher("feed", "create", "--name", "tòa soạn")

    urls = ended.out.split()
    assert (ended.status, ended.err) == (0, "")
    assert [url.rpartition(".")[2] for url in urls] == ["atom", "rss", "json"]
    assert all(is_open(database, url) for url in urls)


def test_private_feeds_are_listed_without_their_tokens(publisher: Publisher) -> None:
    made = publisher("feed", "create", "--name", "tòa soạn", "--json").json
    token = made["urls"]["atom"].rpartition("/")[2].removesuffix(".atom")

    for_programs = publisher("feed", "list", "--json")
    for_people = publisher("feed", "list")

    (shown,) = for_programs.json
    assert (shown["name"], shown["feed"], shown["revoked_at"]) == ("tòa soạn", "all", None)
    assert token not in for_programs.out + for_people.out
    assert f"{shown['id']}  tòa soạn  all" in for_people.out


def test_a_rotated_token_is_void_and_a_new_one_is_printed(publisher: Publisher, database: Sessions) -> None:
    made = publisher("feed", "create", "--name", "tòa soạn", "--json").json

    rotated = publisher("feed", "rotate", made["id"]).out.split()

    assert not is_open(database, made["urls"]["atom"])
    assert is_open(database, rotated[0])


def test_a_revoked_feed_opens_nothing(publisher: Publisher, database: Sessions) -> None:
    made = publisher("feed", "create", "--name", "tòa soạn", "--json").json

    revoked = publisher("feed", "revoke", made["id"])

    assert revoked.out == f"revoked {made['id']}\n"
    assert not is_open(database, made["urls"]["atom"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["create", "--name", "x", "--feed", "planet/mars"], "feed: 'planet/mars' is unknown; expected all"),
        (["create", "--name", " "], "name: expected 1 to 100 characters"),
        (["rotate", "x"], "ID: "),
        (["revoke", "01890000-0000-7000-8000-000000000000"], "does not exist"),
    ],
)
def test_what_cannot_be_done_is_one_line(publisher: Publisher, arguments: list[str], told: str) -> None:
    ended = publisher("feed", *arguments)

    assert ended.status == 2
    assert told in ended.err
    assert ended.err.count("\n") == 1
