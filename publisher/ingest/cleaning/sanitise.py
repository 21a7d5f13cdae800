"""HTML from anywhere, made fit for every reader: sanitised, absolute, stable."""

import re
from collections import Counter
from dataclasses import dataclass, replace
from itertools import accumulate

import nh3

from publisher.errors import InvalidInput
from publisher.ingest.cleaning.attributes import ALLOWED, CONTACT_SCHEMES, LINK_REL
from publisher.ingest.cleaning.rewriting import DEEPEST, rewrite
from publisher.ingest.submission import Submission
from publisher.markup import Text, tokens
from publisher.paragraphs import html_of, text_of
from publisher.text import clean

_MEDIA = re.compile(r"<(?:img|video|audio)\b")
# What most systems send: text and elements without attributes. Few enough for the sanitiser at once, which
# takes quadratic time for what is nested deeply.
_PLAIN = re.compile(
    r"(?:[^<>&]++|</?(?:p|h[234]|ul|ol|li|blockquote|figure|figcaption|strong|em|b|i|u|br)>)*+"
)
# Something that is neither a tag, white space nor part of a reference.
_PLAIN_TEXT = re.compile(r"(?:^|>)\s*[^\s<>&]")
_MOST_PLAIN_TAGS = 2_000
_PLAIN_TAG = re.compile("<(?:/|br>)?")
_STEPS = {"<": 1, "</": -1, "<br>": 0}
_MOST_PASSES = 4
_MOST_NAMES = 10

_SANITISER = nh3.Cleaner(
    tags=set(ALLOWED),
    attributes={name: set(attributes) for name, attributes in ALLOWED.items()},
    clean_content_tags={"script", "style"},
    link_rel=LINK_REL,
    set_tag_attribute_values={"video": {"controls": ""}, "audio": {"controls": ""}},
    url_schemes={"http", "https", *CONTACT_SCHEMES},
    url_relative="deny",
)


@dataclass(frozen=True, kw_only=True)
class Sanitised:
    """HTML that is safe to show anywhere.

    Attributes:
        html: without scripts, styles, forms and frames; every address absolute; sanitising it again
            gives the same.
        warnings: what was removed, a sentence each; none for elements that only lend their text.
    """

    html: str
    warnings: tuple[str, ...]


def sanitised(submission: Submission) -> Submission:
    """Return the submission with HTML that is safe to show, and what was removed among its warnings.

    Raises:
        InvalidInput: when nothing is left that a reader would see or hear.
    """
    if submission.content_html is None:
        return submission
    content = sanitise_html(submission.content_html, base_url=submission.url)
    if not _shows_something(content.html):
        raise InvalidInput.of("/content_html", "expected text, pictures or sound; nothing of it is left")
    return replace(submission, content_html=content.html, warnings=submission.warnings + content.warnings)


def _shows_something(html: str) -> bool:
    if _PLAIN_TEXT.search(html):
        return True
    texts = (token.text for token in tokens(html) if isinstance(token, Text))
    return bool(_MEDIA.search(html)) or any(text.strip() for text in texts)


def sanitise_html(html: str, *, base_url: str | None) -> Sanitised:
    """Return what of the HTML may be shown.

    HTML is sanitised until it stays as it is: what reads differently when it is read again is how
    scripts get past sanitisers. What never settles is reduced to its text.

    Args:
        base_url: what relative addresses are relative to; without it they are dropped.

    Raises:
        InvalidInput: when there are more elements than anybody writes by hand or program.
    """
    if _is_clean(html):
        return Sanitised(html=html, warnings=())
    first = rewrite(html, base_url=base_url)
    warnings = _warnings(first.removed)
    settled = _SANITISER.clean(first.html).strip()
    if settled == first.html == clean(settled):
        # Written once, and neither changed by a parser that reads as browsers do: nothing is left to settle.
        return Sanitised(html=settled, warnings=warnings)
    for _ in range(_MOST_PASSES):
        again = _SANITISER.clean(rewrite(settled, base_url=base_url).html).strip()
        if again == settled:
            return Sanitised(html=settled, warnings=warnings)
        settled = again
    return Sanitised(html=html_of(text_of(settled)), warnings=warnings)


def _is_clean(html: str) -> bool:
    """Return whether this is plain HTML that sanitising would leave as it is."""
    if not _PLAIN.fullmatch(html) or html.count("<") > _MOST_PLAIN_TAGS or _is_too_deep(html):
        return False
    return html == clean(html) == _SANITISER.clean(html).strip()


def _is_too_deep(html: str) -> bool:
    """Return whether elements of plain HTML, where each that is opened is closed, are nested too deeply."""
    if html.count("<") <= DEEPEST:
        return False
    depths = accumulate(map(_STEPS.__getitem__, _PLAIN_TAG.findall(html)))
    # A line break counts where it stands: one more is taken for granted if there is any.
    return max(depths) + ("<br>" in html) > DEEPEST


def _warnings(removed: Counter[str]) -> tuple[str, ...]:
    names = [f"{name} ({count})" if count > 1 else name for name, count in removed.items() if count]
    if not names:
        return ()
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return (f"content_html: removed {', '.join(names[:_MOST_NAMES])}{more}",)
