"""One article version as it stands in feeds: a fragment a format, rendered once and stored."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from feeds.feed import FeedFormat
from feeds.feedgen_fixes import atom_fragment, rss_fragment
from feeds.json_feed import json_fragment
from feeds.presentable import presentable
from publisher.article import PublicArticle

# Half of what a document may hold, so that one huge article never pushes all others out.
FRAGMENT_BYTES = 2_500_000


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An article version in every format, ready to be put into the documents of its feeds.

    Attributes:
        updated: what the fragments say; the newest of a feed's entries is the feed's own.
    """

    atom: str
    rss: str
    json: str
    updated: datetime

    def fragment(self, feed_format: FeedFormat) -> str:
        """Return the fragment for one format."""
        return {FeedFormat.ATOM: self.atom, FeedFormat.RSS: self.rss, FeedFormat.JSON: self.json}[feed_format]


def render_entry(
    article: PublicArticle, *, first_visible_at: datetime, base_url: str, feed_author: str
) -> Entry:
    """Return the article's fragments; the same arguments give the same bytes, for ever.

    A fragment of more than FRAGMENT_BYTES goes without content and pictures; summary and link stay.

    Args:
        first_visible_at: when readers first saw the article; no date of publication is later than that.
        base_url: of our own pages; the scheme of categories is `<base_url>/feeds/category/`, and so on.
        feed_author: stands for an article that names neither an author nor a source.
    """
    shown = presentable(article, first_visible_at=first_visible_at, feed_author=feed_author)
    base_url = base_url.rstrip("/")
    return Entry(
        atom=_bounded(partial(atom_fragment, base_url=base_url), shown),
        rss=_bounded(partial(rss_fragment, base_url=base_url), shown),
        json=_bounded(json_fragment, shown),
        updated=shown.updated,
    )


def _bounded(render: Callable[[PublicArticle], str], article: PublicArticle) -> str:
    fragment = render(article)
    if len(fragment.encode()) <= FRAGMENT_BYTES:
        return fragment
    return render(replace(article, content_html="", images=(), related=()))
