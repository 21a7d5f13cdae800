"""What is in memory is given to who asks for exactly that, and to nobody else."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest
from starlette.responses import PlainTextResponse

from feeds.address import Address
from feeds.catalog import FeedAddress
from feeds.documents import Assembled
from feeds.feed import FeedFormat
from feeds.search.address import SearchAddress
from feeds.search.query import parse_search
from feeds.serving.conditional import Coding
from feeds.serving.delta import History
from feeds.serving.document import Document
from feeds.serving.front import FeedFront
from feeds.serving.shelf import Shelf
from feeds.serving.tokens import TokenLookups
from publisher.database import Sessions
from publisher.ids import new_id
from publisher.labels import LabelKind
from tests.fixtures.feeds.samples import FEED

ALL = FeedAddress(kind=LabelKind.ALL, slug="all", format=FeedFormat.ATOM)
FOUND = SearchAddress(search=parse_search("mưa to", ["xa-hoi"]), format=FeedFormat.ATOM)
LABEL = new_id()


def kept(*addresses: Address) -> Shelf:
    """Return a shelf with a good document at each address, which holds just that address."""
    shelf = Shelf(1_000_000, good_for_s=1_000)
    for address in addresses:
        put(shelf, made(address))
    return shelf


def made(address: Address) -> Document:
    """Return a document that holds its address."""
    return Document(
        address=address,
        label_id=LABEL,
        generation=1,
        changed_at=datetime(2021, 11, 23, tzinfo=UTC),
        body=address.path.encode(),
        headers={},
    )


def put(shelf: Shelf, document: Document) -> None:
    document.coded(Coding.IDENTITY)
    with shelf.checking(LABEL) as check:
        shelf.put(document, check)


def asked(shelf: Shelf, path: str, **conditions: str) -> str:
    """Return what is answered; `application` if it is not from memory."""

    async def ask() -> str:
        front = FeedFront(PlainTextResponse("application"), shelf=shelf, tokens=TokenLookups(Sessions()))
        headers = {"accept-encoding": "identity", **conditions}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(front), base_url="http://front", headers=headers
        ) as client:
            return (await client.get(path)).text

    return asyncio.run(ask())


@pytest.mark.parametrize("address", [ALL, FOUND])
def test_who_asks_for_its_address_gets_it(address: Address) -> None:
    assert asked(kept(ALL, FOUND), address.path) == address.path


@pytest.mark.parametrize(
    "path",
    [
        "/feeds/search.atom",
        "/feeds/search.atom?q=m%C6%B0a",
        "/feeds/search.atom?category=xa-hoi&q=m%C6%B0a%20to&x=y",
        "/feeds/search.atom?q=m%C6%B0a%20to&category=xa-hoi",
        "/feeds/search.atom%3Fcategory=xa-hoi&q=m%25C6%25B0a%2520to",
        "/feeds/search.rss?category=xa-hoi&q=m%C6%B0a%20to",
    ],
)
def test_other_addresses_of_a_search_are_left_to_the_application(path: str) -> None:
    assert asked(kept(ALL, FOUND), path) == "application"


def test_what_a_search_has_found_is_not_made_anew_before_somebody_asks() -> None:
    assert kept(ALL, FOUND).outdate([LABEL]) == [ALL]


def test_what_has_to_be_put_together_first_is_left_to_the_application() -> None:
    shelf = Shelf(1_000_000, good_for_s=1_000)
    history = History.begun(Assembled(body=b"", format=FeedFormat.ATOM, feed=FEED, entries=[]))
    put(shelf, replace(made(ALL), history=replace(history, version=1, earlier={"abc": 0})))
    current, delta = made(ALL).coded(Coding.IDENTITY).tag, {"a-im": "feed"}

    answers = [
        asked(shelf, ALL.path, **delta, **{"if-none-match": '"abc"'}),
        asked(shelf, ALL.path, **delta, **{"if-none-match": f'{current[:-1]}-gzip"'}),
        asked(shelf, ALL.path, **delta, **{"if-none-match": f'"abc-br", {current}'}),
        asked(shelf, ALL.path, **delta, **{"if-none-match": '"foreign"'}),
        asked(shelf, ALL.path, **delta),
        asked(shelf, ALL.path, **{"if-none-match": '"abc"'}),
    ]

    whole = ALL.path
    assert answers == ["application", "application", "", whole, whole, whole]
