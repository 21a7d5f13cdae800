"""The structured parts of a revision, as values and as the JSON that is stored."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Protocol, Self

from publisher.article import Image, Person, Related, Source


class _Described(Protocol):
    @property
    def authors(self) -> tuple[Person, ...]: ...
    @property
    def categories(self) -> tuple[str, ...]: ...
    @property
    def tags(self) -> tuple[str, ...]: ...
    @property
    def places(self) -> tuple[str, ...]: ...
    @property
    def images(self) -> tuple[Image, ...]: ...
    @property
    def source(self) -> Source | None: ...
    @property
    def related(self) -> tuple[Related, ...]: ...


@dataclass(frozen=True, kw_only=True)
class Details:
    """Who, where, under what, with which pictures; categories as people write them."""

    authors: tuple[Person, ...] = ()
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    images: tuple[Image, ...] = ()
    source: Source | None = None
    related: tuple[Related, ...] = ()

    @classmethod
    def of(cls, described: _Described) -> Self:
        """Return the details of a submission."""
        return cls(
            authors=described.authors,
            categories=described.categories,
            tags=described.tags,
            places=described.places,
            images=described.images,
            source=described.source,
            related=described.related,
        )

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Return what `as_json` has stored."""
        source = stored.get("source")
        return cls(
            authors=tuple(Person(**one) for one in stored.get("authors", ())),
            categories=tuple(stored.get("categories", ())),
            tags=tuple(stored.get("tags", ())),
            places=tuple(stored.get("places", ())),
            images=tuple(Image(**one) for one in stored.get("images", ())),
            source=Source(**source) if source else None,
            related=tuple(_related(one) for one in stored.get("related", ())),
        )

    def as_json(self) -> dict[str, Any]:
        """Return raw JSON; instants as RFC 3339."""
        return {
            **asdict(self),
            "images": [stored_image(one) for one in self.images],
            "related": [
                {**asdict(one), "published": one.published.isoformat() if one.published else None}
                for one in self.related
            ],
        }


def stored_image(image: Image) -> dict[str, Any]:
    """Return a picture as raw JSON.

    What pictures have had later stands there only if it is known: code before it can read the others, and
    who sends the same article again has not changed it.
    """
    later = {"media_type": image.media_type, "length": image.length}
    earlier = {"url": image.url, "alt": image.alt, "caption": image.caption}
    return earlier | {name: value for name, value in later.items() if value is not None}


def _related(stored: Mapping[str, Any]) -> Related:
    published = stored.get("published")
    return Related(**{**stored, "published": datetime.fromisoformat(published) if published else None})
