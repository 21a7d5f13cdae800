"""HTML as a stream of tags and text: read in linear time, whatever it is."""

import html
import re
from collections.abc import Iterator
from typing import NamedTuple

# Elements whose content is no markup and nothing that an article shows.
_RAW = frozenset(("script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes", "noscript"))

_MARKUP = re.compile(r"<(?:(?P<start>[a-zA-Z])|/(?P<end>[a-zA-Z])|(?P<comment>!--)|[!?/])")
_NAME = re.compile(r"[^ \t\n\f\r/>]+")
_COMMENT_END = re.compile(r"--!?>")
_RAW_END = {name: re.compile(rf"</{name}(?=[ \t\n\f\r/>])", re.IGNORECASE) for name in _RAW}
_ATTRIBUTE = re.compile(
    r"[ \t\n\f\r/]*(?P<name>[^ \t\n\f\r/>][^ \t\n\f\r/>=]*)"
    r"(?:[ \t\n\f\r]*=[ \t\n\f\r]*"
    r"(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<bare>[^ \t\n\f\r>\"'][^ \t\n\f\r>]*)))?"
)
_TAG_END = re.compile(r"[ \t\n\f\r/]*>")
_MOST_ATTRIBUTES = 100
_TERMINATED_REFERENCE = re.compile(r"&(?:#[0-9]{1,9}|#[xX][0-9a-fA-F]{1,8}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_ENDLESS_REFERENCE = re.compile(r"&#(?:[0-9]{10,}|[xX][0-9a-fA-F]{9,});?")


class Text(NamedTuple):
    """Characters between tags.

    Attributes:
        resolved: references such as `&amp;` stood in them, which may have stood for anything.
    """

    text: str
    resolved: bool


class StartTag(NamedTuple):
    """`<name …>`: names are lower case, and of equal attributes the first counts."""

    name: str
    attributes: dict[str, str]


class EndTag(NamedTuple):
    """`</name>`."""

    name: str


Token = Text | StartTag | EndTag


def tokens(markup: str) -> Iterator[Token]:
    """Yield tags and text in order; comments, declarations and what stands inside scripts are left out.

    Source: HTML Living Standard, “Tokenization”, without the escapes inside scripts.
    """
    at = 0
    while found := _MARKUP.search(markup, at):
        if found.start() > at:
            yield _text(markup[at : found.start()])
        if not (found["start"] or found["end"]):
            at = _declaration_end(markup, found)
            continue
        tag, at = _tag(markup, found.end() - 1, closing=bool(found["end"]))
        if tag is None:
            return
        yield tag
        if isinstance(tag, StartTag) and tag.name in _RAW:
            end = _RAW_END[tag.name].search(markup, at)
            at = end.start() if end else len(markup)
    if at < len(markup):
        yield _text(markup[at:])


def _declaration_end(markup: str, found: re.Match[str]) -> int:
    if not found["comment"]:
        return markup.find(">", found.end() - 1) + 1 or len(markup)
    # `<!-->` is a whole comment: its end may share the dashes of its beginning.
    end = _COMMENT_END.search(markup, found.end() - 2)
    return end.end() if end else len(markup)


def _tag(markup: str, at: int, *, closing: bool) -> tuple[StartTag | EndTag | None, int]:
    """Return the tag whose name begins at `at`, and where it ends; None if the text ends before it does."""
    name = _NAME.match(markup, at)
    assert name is not None, "a tag's name begins with a letter"
    at, attributes = name.end(), dict[str, str]()
    while not (end := _TAG_END.match(markup, at)):
        attribute = _ATTRIBUTE.match(markup, at)
        if not attribute:
            return None, len(markup)
        at = attribute.end()
        if len(attributes) < _MOST_ATTRIBUTES:
            value = attribute["double"] or attribute["single"] or attribute["bare"] or ""
            attributes.setdefault(attribute["name"].lower(), _resolved_in_attribute(value))
    lower = name[0].lower()
    return EndTag(lower) if closing else StartTag(lower, attributes), end.end()


def _text(written: str) -> Text:
    if "&" not in written:
        return Text(written, resolved=False)
    # Python refuses to read a number of thousands of digits.
    return Text(html.unescape(_ENDLESS_REFERENCE.sub("\ufffd", written)), resolved=True)


def _resolved_in_attribute(value: str) -> str:
    # `?a=1&copy=2` is an address, not a sign: only what ends in a semicolon is a reference here.
    return _TERMINATED_REFERENCE.sub(lambda ref: html.unescape(ref[0]), value) if "&" in value else value


def escaped(text: str) -> str:
    """Return text as it stands in HTML between tags."""
    return html.escape(text, quote=False)


def escaped_value(text: str) -> str:
    """Return text as it stands in HTML inside double quotes."""
    return escaped(text).replace('"', "&quot;")
