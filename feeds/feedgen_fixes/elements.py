"""Elements of the trees that feedgen hands over: their namespaces, and how they become text."""

from collections.abc import Mapping

from lxml import etree

ATOM = "http://www.w3.org/2005/Atom"
CONTENT = "http://purl.org/rss/1.0/modules/content/"
DC = "http://purl.org/dc/elements/1.1/"
MEDIA = "http://search.yahoo.com/mrss/"

# Trap: readers look for these very prefixes, and without a map lxml would call them ns0, ns1, …
ATOM_NAMESPACES = {"dc": DC, "media": MEDIA}
RSS_NAMESPACES = {"dc": DC, "atom": ATOM, "content": CONTENT, "media": MEDIA}


def append(parent: etree._Element, tag: str, text: str) -> None:
    """Append an element with text."""
    etree.SubElement(parent, tag).text = text


def fragment(element: etree._Element, namespaces: Mapping[str, str]) -> str:
    """Return an element's text as it is inside a document that declares these namespaces."""
    # Alone, every prefixed element would repeat its namespace. Serialised inside a parent that declares them
    # and cut out again, the text is what it is in the whole document; no search in hostile text is needed.
    parent = etree.Element("parent", nsmap=dict(namespaces))
    parent.append(element)
    document = etree.tostring(parent, encoding="unicode")
    return document[document.index(">") + 1 : document.rindex("<")]
