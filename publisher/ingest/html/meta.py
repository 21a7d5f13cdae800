"""What an HTML page says about its article outside of the text: in `meta`, `link`, JSON-LD and `time`."""

import json
import re
from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any

from lxml import html

from publisher.ingest.cleaning.addresses import absolute_address
from publisher.ingest.dates import parse_date
from publisher.text import clean_line

_PUBLISHED = (
    *("article:published_time", "og:published_time", "datepublished", "pubdate", "publishdate"),
    *("publish_date", "dc.date.issued", "dc.date", "date"),
)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")
_LARGEST_LINKED_DATA = 200_000
_LONGEST_VALUE = 2_000


class Metadata:
    """The page's own statements, read once before anything is taken out of its tree.

    Attributes:
        named: the first `content` of each `meta`, by its name or property in lower case.
        linked: the objects of its JSON-LD.
    """

    def __init__(self, tree: html.HtmlElement) -> None:
        self._tree = tree
        self.named: dict[str, str] = {}
        for meta in tree.iter("meta"):
            name = meta.get("property") or meta.get("name") or meta.get("itemprop") or ""
            value = clean_line((meta.get("content") or "")[:_LONGEST_VALUE])
            if name and value:
                self.named.setdefault(name.lower().strip(), value)
        self.linked = list(_linked_data(tree))

    def first(self, *names: str) -> str | None:
        """Return the value of the first of these names that the page has."""
        return next((self.named[name] for name in names if name in self.named), None)

    def published(self, *, local: tzinfo) -> datetime | None:
        """Return the stated time of publication, None if there is none that makes sense."""
        stated = [self.named[name] for name in _PUBLISHED if name in self.named]
        stated += [str(item["datePublished"]) for item in self.linked if "datePublished" in item]
        stated += [time.get("datetime") or "" for time in self._tree.iter("time") if _dates_article(time)]
        return next((at for text in stated if (at := parse_date(text, local=local))), None)

    def language(self) -> str | None:
        """Return the language tag of the page, None if it is none (BCP 47)."""
        stated = self._tree.get("lang") or self._tree.get("xml:lang") or ""
        tag = stated.strip().replace("_", "-")
        return tag if _LANGUAGE.fullmatch(tag) and len(tag) <= 35 else None

    def canonical(self, *, base_url: str | None) -> str | None:
        """Return the address that the page gives as its own."""
        links = (link for link in self._tree.iter("link") if "canonical" in (link.get("rel") or "").lower())
        stated = [link.get("href") or "" for link in links] + [self.first("og:url") or ""]
        return next((address for text in stated if (address := absolute_address(text, base_url))), None)

    def authors(self) -> list[str]:
        """Return the names that JSON-LD or `meta` state as authors; a site's own name may be among them."""
        stated = [name for item in self.linked for name in _names(item.get("author"))]
        return stated or [name for name in (self.first("author", "article:author"),) if name]


def _linked_data(tree: html.HtmlElement) -> Iterator[dict[str, Any]]:
    for script in tree.iter("script"):
        text = script.text or ""
        if "ld+json" not in (script.get("type") or "") or len(text) > _LARGEST_LINKED_DATA:
            continue
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            continue
        items = data.get("@graph", [data]) if isinstance(data, dict) else data
        for item in items if isinstance(items, list) else []:
            if isinstance(item, dict) and "Article" in str(item.get("@type", ""))[:100]:
                yield item


def _names(author: object) -> Iterator[str]:
    for one in author if isinstance(author, list) else [author]:
        name = one.get("name") if isinstance(one, dict) else one
        if isinstance(name, str) and clean_line(name):
            yield clean_line(name[:_LONGEST_VALUE])


def _dates_article(time: html.HtmlElement) -> bool:
    """Return whether this is not the date of another article: none in a list or below a heading of one."""
    return not any(ancestor.tag in {"li", "aside", "nav", "footer"} for ancestor in time.iterancestors())
