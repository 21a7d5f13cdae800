"""What a search finds: the newest that match, at a cost that is bounded whatever is asked for."""

from uuid import UUID

from sqlalchemy import ColumnElement, Select, String, literal, select, text
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.orm import Session

from feeds.content import FeedContent, Placed, entries_of, uri_of
from feeds.feed import Feed
from feeds.search.address import SEARCH_PATH, SearchAddress
from feeds.standing import Standing
from feeds.style import FeedStyle
from publisher.ids import made_at
from publisher.schema import ArticleLabelRow, ArticleSearchRow

# What many have is found among these; what few of these have, few have at all, and the index tells who.
_NEWEST = 1_000
# PostgreSQL counts a long text as a short one, and would rather read all of them than ask the index. Whoever
# thinks of a search that takes longer than this is told to come back, and holds up nobody.
_BOUNDS = text(
    "SELECT set_config('enable_seqscan', 'off', true), set_config('statement_timeout', '2s', true)"
)


def read_found(
    session: Session, standing: Standing, address: SearchAddress, *, style: FeedStyle
) -> FeedContent:
    """Return what a search finds in the feed of everything, at least as it was at that standing.

    No tombstones: who is gone is found no more, and nobody knows any more by what it was found.
    """
    session.execute(_BOUNDS)
    matches = ArticleSearchRow.document.op("@@", is_comparison=True)(
        literal(address.search.query, String).cast(TSQUERY)
    )
    entries: list[Placed] = []
    for placed in (_among_the_newest(standing, matches), _among_all(standing, matches)):
        entries = entries_of(session, placed.limit(style.length), address.format)
        if len(entries) == style.length or standing.last_position <= _NEWEST:
            break
    return FeedContent(feed=_feed(standing, address, style), format=address.format, entries=entries)


def _among_the_newest(standing: Standing, matches: ColumnElement[bool]) -> Select[UUID, int | None]:
    newest = _everything(standing).order_by(ArticleLabelRow.position.desc()).limit(_NEWEST).cte("newest")
    return (
        select(newest.c.article_id, newest.c.position)
        .join(ArticleSearchRow, ArticleSearchRow.article_id == newest.c.article_id)
        .where(matches)
        .order_by(newest.c.position.desc())
    )


def _among_all(standing: Standing, matches: ColumnElement[bool]) -> Select[UUID, int | None]:
    # Found first, sorted then: whatever PostgreSQL thinks of how many there are.
    found = select(ArticleSearchRow.article_id).where(matches).cte("found").prefix_with("MATERIALIZED")
    return (
        _everything(standing)
        .join(found, found.c.article_id == ArticleLabelRow.article_id)
        .order_by(ArticleLabelRow.position.desc())
    )


def _everything(standing: Standing) -> Select[UUID, int | None]:
    return select(ArticleLabelRow.article_id, ArticleLabelRow.position).where(
        ArticleLabelRow.label_id == standing.label_id, ArticleLabelRow.position.is_not(None)
    )


def _feed(standing: Standing, address: SearchAddress, style: FeedStyle) -> Feed:
    return Feed(
        uri=f"{uri_of(standing, style)}/search?{address.parameters}",
        url=f"{style.base_url}{SEARCH_PATH}",
        query=f"?{address.parameters}",
        home_url=f"{style.base_url}/",
        title=f"{style.title} – {address.search.q}",
        author=style.author,
        language=address.search.language or style.language,
        updated=made_at(standing.label_id),
    )
