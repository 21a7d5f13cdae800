"""Pages for people without a feed reader: the index, an article, and why there is none; plain HTML."""

import base64
import hashlib
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from feeds.directory import MOST_COUNTED, DirectoryPart, FeedGroup
from feeds.feed import FeedFormat
from feeds.style import FeedStyle
from feeds.words import FORMAT_NAMES, words_for
from publisher.archive import Archive, published_of
from publisher.article import ArticleStatus, Category, Image, PublicArticle
from publisher.errors import Gone, NotFound
from publisher.labels import LabelKind
from publisher.markup import escaped
from publisher.schema import ArticleLabelRow, ArticleRow, LabelRow, RevisionRow
from publisher.text import fold

_HEADLINES = 30
_CATEGORIES = 500
_TITLE_LENGTH = 500
_SUMMARY_LENGTH = 400
_INITIALS = string.digits[0] + string.ascii_lowercase
_WEB = re.compile("https?://", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Headline:
    """An article as the index lists it; of a very long title or summary, the beginning."""

    id: UUID
    title: str
    summary: str
    language: str
    published: datetime


@dataclass(frozen=True, kw_only=True)
class Front:
    """What the index shows: the newest articles, and every category, sorted as people read them."""

    headlines: Sequence[Headline]
    categories: Sequence[Category]


def load_front(session: Session) -> Front:
    """Return what the index shows now."""
    # Known beforehand, so that PostgreSQL walks the end of the index article_label_position, and no more.
    everything = session.scalars(select(LabelRow.id).where(LabelRow.kind == LabelKind.ALL)).one()
    rows = session.execute(
        select(
            ArticleRow,
            func.left(RevisionRow.title, _TITLE_LENGTH),
            func.left(func.coalesce(RevisionRow.summary, ""), _SUMMARY_LENGTH),
            RevisionRow.language,
        )
        .join(ArticleLabelRow, ArticleLabelRow.article_id == ArticleRow.id)
        .join(
            RevisionRow,
            (RevisionRow.article_id == ArticleRow.id) & (RevisionRow.sequence == ArticleRow.public_revision),
        )
        .where(ArticleLabelRow.label_id == everything, ArticleLabelRow.position.is_not(None))
        .order_by(ArticleLabelRow.position.desc())
        .limit(_HEADLINES)
    ).all()
    labels = session.scalars(
        select(LabelRow).where(LabelRow.kind == LabelKind.CATEGORY).order_by(LabelRow.slug).limit(_CATEGORIES)
    )
    headlines = [
        Headline(
            id=article.id,
            title=title,
            summary=summary,
            language=language or "und",
            published=published_of(article),
        )
        for article, title, summary, language in rows
    ]
    return Front(headlines=headlines, categories=[Category(term=row.slug, label=row.term) for row in labels])


def load_article(session: Session, article_id: UUID, *, base_url: str) -> PublicArticle:
    """Return an article that readers may see.

    Raises:
        NotFound: when there is none, or none yet.
        Gone: when it was retracted.
    """
    article = Archive(base_url=base_url).public(session, [article_id]).get(article_id)
    if article is not None:
        return article
    status = session.scalar(select(ArticleRow.status).where(ArticleRow.id == article_id))
    if status == ArticleStatus.RETRACTED:
        raise Gone(f"article {article_id}: was retracted")
    raise NotFound(f"article {article_id}: there is nothing that readers may see")


class Pages:
    """Renders pages in the language of the feeds; dates are those of one zone.

    Attributes:
        policy: the `Content-Security-Policy` that they need: our style, and what articles embed.
        policy_of_directory: the same, and the one script that copies addresses.
    """

    def __init__(self, style: FeedStyle, zone: ZoneInfo) -> None:
        loader = PackageLoader("feeds")
        self._environment = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        sheet, script = (loader.get_source(self._environment, name)[0] for name in ("style.css", "copy.js"))
        self.policy = (
            f"default-src 'none'; style-src {_source_of(sheet)}; img-src https: http: data:;"
            " media-src https: http:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        self.policy_of_directory = f"{self.policy}; script-src {_source_of(script)}"
        words = words_for(style.language)
        self._environment.globals.update(
            site=style,
            words=words,
            sheet=Markup(sheet),
            script=Markup(script),
            formats=FORMAT_NAMES,
            feed_formats=tuple(FeedFormat),
        )
        self._environment.filters["date"] = lambda at: words.date(at.astimezone(zone))
        self._environment.tests["web_address"] = is_web_address

    def index(self, front: Front) -> str:
        """Return the page that says what there is."""
        return self._environment.get_template("index.html").render(front=front)

    def directory(self, part: DirectoryPart, groups: Sequence[FeedGroup]) -> str:
        """Return the page that lists feeds to subscribe to."""
        return self._environment.get_template("feeds.html").render(
            part=part, groups=groups, most_counted=MOST_COUNTED, initials=_INITIALS
        )

    def article(self, article: PublicArticle) -> str:
        """Return the page of one article."""
        return self._environment.get_template("article.html").render(
            article=article,
            body=Markup(article.content_html),  # sanitised at ingest; the policy allows no script besides
            lead=lead_of(article),
            pictures=pictures_of(article),
        )

    def problem(self, status: int) -> str:
        """Return the page that says why there is none.

        Args:
            status: 404, 410 or 503.
        """
        return self._environment.get_template("problem.html").render(status=status)


def _source_of(text: str) -> str:
    """Return how a policy names what stands in the page itself."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def lead_of(article: PublicArticle) -> str:
    """Return the summary, unless the body begins with the same words."""
    summary = fold(article.summary).removesuffix("…").removesuffix("...").rstrip()
    beginning = fold(article.content_text[: 2 * len(article.summary) + 100])
    return "" if beginning.startswith(summary) else article.summary


def pictures_of(article: PublicArticle) -> list[Image]:
    """Return the pictures that the body does not show itself."""
    return [image for image in article.images if escaped(image.url) not in article.content_html]


def is_web_address(url: str | None) -> bool:
    """Return whether a link to it is harmless; checked at ingest, and once more where it is followed."""
    return url is not None and _WEB.match(url) is not None
