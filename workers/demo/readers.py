"""A reader of each format: which articles a feed shows."""

import json
from collections.abc import Mapping

from lxml import etree

from feeds.feed import FeedFormat

_ATOM = "{http://www.w3.org/2005/Atom}"


def ids_in(feed_format: FeedFormat, body: bytes) -> Mapping[str, int]:
    """Return the permanent ids in a document, with their sequence, or 0 where the format does not tell it.

    What cannot be parsed shows nothing.
    """
    try:
        if feed_format is FeedFormat.JSON:
            items = json.loads(body)["items"]
            return {item["id"]: item["_publisher"]["sequence"] for item in items}
        document = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
    except (ValueError, KeyError, TypeError, etree.XMLSyntaxError):
        return {}
    if feed_format is FeedFormat.ATOM:
        found = document.iterfind(f"{_ATOM}entry/{_ATOM}id")
    else:
        found = document.iterfind("channel/item/guid")
    return {element.text or "": 0 for element in found}
