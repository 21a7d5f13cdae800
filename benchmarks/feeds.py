"""How many readers of feeds a web process serves, how long a new feed takes, and what a burst does to it."""

import base64
import json
import time
from statistics import median

import httpx
import psutil

from benchmarks.figure import Figure, Goal, Of
from benchmarks.filling import add_feeds
from benchmarks.material import article
from benchmarks.stand import DOMAIN, Stand, System
from feeds.catalog import private_urls
from feeds.feed import FeedFormat
from publisher.ingest.article_in import parse_article
from publisher.ingest.record import record_all
from publisher.private_feeds import create_private_feed

_SECONDS = 4
_ROUNDS = 3
_ENTRIES = 50
_TAGS = 20
_TOKENS = 32
_BURST = 1_000
_WITHIN_S = 300
_FEEDS = 10_000
_PATH = "/feeds/all.atom"
_GZIP = {"accept-encoding": "gzip"}


def measure(stand: Stand) -> list[Figure]:
    """Fill a feed, read it in every way, then let 1,000 articles come at once."""
    with System(stand, "feeds") as system:
        _publish(system, _ENTRIES, tags=[f"nhãn {number}" for number in range(_TAGS)])
        web = system.start_web()
        cold = _cold(web)
        warm = _warm(system, web)
        burst = _burst(system, web)
        return [*warm, cold, *burst, _memory(system)]


def _publish(system: System, count: int, *, tags: list[str] | None = None, first: int = 0) -> None:
    """Take so many articles through every stage."""
    _record(system, count, tags=tags, first=first)
    children = [system.start(*argv) for argv in (["relay"], ["worker", "--concurrency", "2"])]
    system.until(lambda: system.owed() == 0, within_s=_WITHIN_S, every_s=0.1)
    for child in children:
        system.end(child)


def _record(system: System, count: int, *, tags: list[str] | None = None, first: int = 0) -> None:
    some = [article(number) | ({"tags": tags} if tags else {}) for number in range(first, first + count)]
    with system.sessions.begin() as session:
        record_all(session, [parse_article(one) for one in some], tag_domain=DOMAIN)


def _cold(url: str) -> Figure:
    """Ask for feeds that nobody has asked for."""
    took = []
    with httpx.Client(base_url=url, headers=_GZIP, trust_env=False) as reader:
        reader.get("/feeds/all.rss")  # what a process does once
        for number in range(_TAGS):
            began = time.perf_counter()
            answer = reader.get(f"/feeds/tag/nhan-{number}.atom")
            took.append((time.perf_counter() - began) * 1000)
            assert answer.content.count(b"<entry ") == _ENTRIES
    return Figure(
        name="feeds: cold",
        value=median(took),
        unit="ms",
        baseline=None,
        beside="",
        goal=Goal(bound=50, at_most=True),
    )


def _warm(system: System, web: str) -> list[Figure]:
    """Let readers ask our process and the bare one in turns."""
    with httpx.stream("GET", f"{web}{_PATH}", headers=_GZIP, trust_env=False) as answer:
        body = b"".join(answer.iter_raw())
    told = system.folder / "answer.json"
    kept = {name: value for name, value in answer.headers.items() if name not in ("date", "content-length")}
    told.write_text(json.dumps({"headers": kept, "body": base64.b64encode(body).decode()}), "utf-8")
    bare = system.serve("benchmarks.baseline_feed", str(told))
    etag = answer.headers["etag"]
    tokens = _private_paths(system)
    return [
        _beside("feeds: 200", system, (web, "", [_PATH]), (bare, "", ["/200"]), 0.7),
        _beside("feeds: 304", system, (web, etag, [_PATH]), (bare, etag, ["/304"]), 0.7),
        _beside("feeds: private", system, (web, "", tokens), (bare, "", ["/200"]), 0.25),
    ]


def _private_paths(system: System) -> list[str]:
    with system.sessions.begin() as session:
        made = [create_private_feed(session, name=str(number), feed="all") for number in range(_TOKENS)]
    return [private_urls("", token)["atom"] for _, token in made]


def _beside(
    name: str,
    system: System,
    ours: tuple[str, str, list[str]],
    bare: tuple[str, str, list[str]],
    bound: float,
) -> Figure:
    rounds = [(_per_s(system, *ours), _per_s(system, *bare)) for _ in range(_ROUNDS)]
    return Figure(
        name=name,
        value=median(one for one, _ in rounds),
        unit="requests/s",
        baseline=median(one for _, one in rounds),
        beside="a bare Starlette that answers the same bytes",
        goal=Goal(bound=bound, of=Of.RATIO),
    )


def _per_s(system: System, url: str, etag: str, paths: list[str]) -> float:
    return float(system.result_of("benchmarks.reading", url, str(_SECONDS), etag, *paths)["per_s"])


def _burst(system: System, web: str) -> list[Figure]:
    """Let 1,000 articles come at once, while somebody reads the feed all the time."""
    _record(system, _BURST, first=_ENTRIES)
    with httpx.Client(base_url=web, trust_env=False) as reader:
        for argv in (["relay"], ["worker", "--concurrency", "2"]):
            system.start(*argv)
        began, tags = time.monotonic(), set()

        def owed() -> int:
            tags.add(reader.get(_PATH).headers["etag"])
            return system.owed()

        system.until(lambda: owed() == 0, within_s=_WITHIN_S, every_s=0.02)
        published = time.monotonic() - began
        system.until(lambda: _walk(reader) == _ENTRIES + _BURST, within_s=_WITHIN_S)
        seen = time.monotonic() - began - published
    return [
        Figure(
            name="feeds: documents of a burst",
            value=len(tags),
            unit="documents",
            baseline=published / 0.25,
            beside="four a second",
            goal=Goal(bound=1, of=Of.RATIO, at_most=True),
        ),
        Figure(
            name="feeds: a burst in feed and archive",
            value=seen,
            unit="s",
            baseline=None,
            beside="",
            goal=Goal(bound=10, at_most=True),
        ),
    ]


def _walk(reader: httpx.Client) -> int:
    """Return how many articles the feed and its archive hold."""
    met: set[str] = set()
    path: str | None = "/feeds/all.json"
    while path is not None:
        page = reader.get(path).json()
        met |= {item["id"] for item in page["items"]}
        path = "/feeds/" + page["next_url"].partition("/feeds/")[2] if "next_url" in page else None
    return len(met)


def _memory(system: System) -> Figure:
    """Return by how much a web process grows when somebody asks for 10,000 feeds."""
    with system.sessions.begin() as session:
        slugs = add_feeds(session, _FEEDS)
    url = system.start_web()
    web = psutil.Process(system.newest_child.pid)
    with httpx.Client(base_url=url, headers=_GZIP, trust_env=False) as reader:
        reader.get(_PATH)
        before = web.memory_info().rss
        for number, slug in enumerate(slugs):
            reader.get(f"/feeds/topic/{slug}.atom")
            if number % 50 == 0:
                reader.get(f"/feeds/tag/nhan-{number // 50 % _TAGS}.{list(FeedFormat)[number // 50 % 3]}")
        grown = web.memory_info().rss - before
    return Figure(
        name="feeds: memory of 10,000",
        value=grown / 1e6,
        unit="MB",
        baseline=64,
        beside="PUBLISHER_FEED_MEMORY_MB",
        goal=Goal(bound=1.5, of=Of.RATIO, at_most=True),
    )
