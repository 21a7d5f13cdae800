"""Pictures that readers may download: those of which it is known what they are, and how large."""

from dataclasses import dataclass

from publisher.article import PublicArticle


@dataclass(frozen=True, kw_only=True)
class Enclosure:
    """A picture with what an enclosure has to say of it.

    Attributes:
        type: the media type.
        length: in bytes.
        title: what is seen on it, if that is known.
    """

    url: str
    type: str
    length: int
    title: str | None


def enclosures(article: PublicArticle) -> list[Enclosure]:
    """Return the pictures whose type and length were told; neither is ever guessed.

    Source: RSS 2.0, “enclosure”: all three attributes are required.
    """
    return [
        Enclosure(url=one.url, type=one.media_type, length=one.length, title=one.alt or one.caption)
        for one in article.images
        if one.media_type is not None and one.length is not None
    ]
