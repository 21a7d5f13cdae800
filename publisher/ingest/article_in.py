"""An article as clients send it in JSON: the model, and the Submission that it becomes."""

from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, model_validator
from pydantic.config import JsonDict

from publisher.article import Image, Person, Related, Source, category_of
from publisher.errors import InvalidInput
from publisher.field_problems import expected, problems_of
from publisher.ingest import fields
from publisher.ingest.cleaning.sanitise import sanitised
from publisher.ingest.submission import Submission
from publisher.text import clean, clean_line, forbidden_characters

_EXAMPLE: Final[JsonDict] = {
    "url": "https://news.example.org/2021/11/doi-thoai",
    "title": "Phường đối thoại với người dân trước khi mở đường",
    "content_html": "<p>Đầu tháng 11, phường đã mời 13 hộ dân đến trao đổi về dự án.</p>",
    "summary": "Mười ba hộ dân được hỏi ý kiến trước khi dự án bắt đầu.",
    "language": "vi",
    "authors": [{"name": "Lan Hương", "email": "lan.huong@example.org"}],
    "categories": ["Xã hội"],
    "tags": ["giao thông", "đối thoại"],
    "places": ["Đà Nẵng"],
    "images": [{"url": "https://news.example.org/anh/1.jpg", "alt": "Buổi đối thoại"}],
    "source": {"name": "news.example.org"},
    "published": "2021-11-23T08:52:00+07:00",
}
_MOST_LABELS = 50
_MOST_PARTS = 100


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PersonIn(_In):
    """An author."""

    name: fields.Line
    email: fields.Email | None = None
    url: fields.Address | None = None


class ImageIn(_In):
    """A picture that belongs to the article."""

    url: fields.Address
    alt: fields.Remark | None = Field(None, description="What is seen, for those who cannot see it.")
    caption: fields.Remark | None = None
    media_type: fields.PictureType | None = Field(
        None, description="Such as `image/jpeg`; with `length`, the picture is an enclosure in feeds."
    )
    length: fields.Length | None = Field(None, description="In bytes.")


class SourceIn(_In):
    """Where the article appeared first."""

    name: fields.Line
    url: fields.Address | None = None


class RelatedIn(_In):
    """Another article that this one points to."""

    title: fields.Title
    url: fields.Address | None = None
    published: fields.Instant | None = None
    summary: fields.Summary | None = None


_Labels = Annotated[list[fields.Label], Field(max_length=_MOST_LABELS)]


class ArticleIn(_In):
    """An article to publish: `url` or `guid`, a title, and one of `content_html` and `content_text`."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    url: fields.Address | None = Field(None, description="The article's own web address; an identity.")
    guid: fields.Name | None = Field(None, description="Your own name for the article; an identity.")
    title: fields.Title = Field(description="Plain text, at most 500 characters; markup is shown as it is.")
    content_html: fields.Body | None = Field(
        None, description="The body in HTML; active parts are removed, links made absolute."
    )
    content_text: fields.Body | None = Field(
        None, description="The body in plain text; blank lines part paragraphs."
    )
    summary: fields.Summary | None = Field(
        None, description="Plain text; left out: the beginning of the body."
    )
    language: fields.Language | None = Field(
        None, description="A BCP 47 tag such as `vi`; left out: recognised."
    )
    authors: list[PersonIn] = Field([], max_length=_MOST_LABELS)
    categories: _Labels = Field(
        [], description="Each makes a feed: `Xã hội` → `/feeds/category/xa-hoi.atom`."
    )
    tags: _Labels = []
    places: _Labels = Field(
        [], description="Where it happened; each makes a feed: `Đà Nẵng` → `/feeds/place/da-nang.atom`."
    )
    images: list[ImageIn] = Field([], max_length=_MOST_PARTS)
    source: SourceIn | None = None
    related: list[RelatedIn] = Field([], max_length=_MOST_PARTS)
    published: fields.Instant | None = Field(
        None, description="RFC 3339 with an offset; left out: when it came in. Never moves afterwards."
    )
    visible_from: fields.Instant | None = Field(
        None, description="Embargo, RFC 3339 with an offset: no reader sees the article earlier."
    )
    notify: StrictBool = Field(True, description="False publishes without webhooks.")
    restore: StrictBool = Field(False, description="True brings a retracted article back.")

    @model_validator(mode="after")
    def _has_an_identity_and_one_body(self) -> Self:
        if self.url is None and self.guid is None:
            raise expected("expected url or guid, or both; neither was given", pointer="/url")
        one_of = "expected exactly one of content_html and content_text"
        if self.content_html is None and self.content_text is None:
            raise expected(f"{one_of}; neither was given", pointer="/content_html")
        if self.content_html is not None and self.content_text is not None:
            raise expected(f"{one_of}; both were given", pointer="/content_text")
        return self


def parse_article(raw: object) -> Submission:
    """Return the submission that a JSON value describes.

    Raises:
        InvalidInput: with a problem for each field that is not what was expected.
    """
    try:
        article = ArticleIn.model_validate(raw)
    except ValidationError as error:
        raise InvalidInput(problems_of(error.errors(include_url=False, include_input=False))) from None
    return submission_of(article)


def submission_of(article: ArticleIn) -> Submission:
    """Return the clean form of a valid article.

    An article may be published in the future; readers are never shown a later day than that on which
    they first saw it.

    Raises:
        InvalidInput: when nothing is left of the body once active HTML is removed.
    """
    submission = Submission(
        url=article.url,
        guid=article.guid,
        title=clean_line(article.title),
        content_html=article.content_html,
        content_text=clean(article.content_text).strip() if article.content_text is not None else None,
        summary=_line(article.summary),
        language=article.language,
        authors=tuple(Person(name=clean_line(a.name), email=a.email, url=a.url) for a in article.authors),
        categories=_distinct(article.categories),
        tags=_distinct(article.tags),
        places=_distinct(article.places),
        images=tuple(_image(one) for one in article.images),
        source=_source(article.source),
        related=tuple(_related(one) for one in article.related),
        published=article.published,
        visible_from=article.visible_from,
        notify=article.notify,
        restore=article.restore,
        warnings=_control_character_warnings(article),
    )
    return sanitised(submission)


def _image(image: ImageIn) -> Image:
    return Image(
        url=image.url,
        alt=_line(image.alt),
        caption=_line(image.caption),
        media_type=image.media_type,
        length=image.length,
    )


def _source(source: SourceIn | None) -> Source | None:
    return Source(name=clean_line(source.name), url=source.url) if source else None


def _related(one: RelatedIn) -> Related:
    return Related(
        title=clean_line(one.title), url=one.url, published=one.published, summary=_line(one.summary)
    )


def _line(text: str | None) -> str | None:
    return clean_line(text or "") or None


def _distinct(labels: list[str]) -> tuple[str, ...]:
    """Return clean labels in order, the first of those that would share a feed."""
    found: dict[str, str] = {}
    for label in labels:
        found.setdefault(category_of(label).term, clean_line(label))
    return tuple(found.values())


def _control_character_warnings(article: ArticleIn) -> tuple[str, ...]:
    texts = {"title": article.title, "summary": article.summary, "content_text": article.content_text}
    counts = {name: forbidden_characters(text) for name, text in texts.items() if text}
    return tuple(
        f"{name}: removed control character{f' ({count})' if count > 1 else ''}"
        for name, count in counts.items()
        if count
    )
