"""Which feeds there are, and where: each label has one, in every format, with pages of what is older."""

import re
from dataclasses import dataclass, replace
from typing import Self

from feeds.feed import FeedFormat
from publisher.labels import LabelKind

ARCHIVE_LENGTH = 50
"""Places on a page of an archive; pages are told apart by them, so it is the same for ever."""

_SLUG = "[a-z0-9]+(?:-[a-z0-9]+)*"
_PATH = re.compile(
    f"/feeds/(?:(?P<all>all)|(?P<kind>[a-z]+)/(?P<slug>{_SLUG}))"
    r"(?:/archive/(?P<first>[1-9][0-9]{0,17})-(?P<last>[1-9][0-9]{0,17}))?"
    rf"\.(?P<format>{'|'.join(FeedFormat)})"
)
_SLUG_LENGTH = 200


@dataclass(frozen=True, order=True)
class Places:
    """Places in a feed that stand on one page of its archive, the first and the last included.

    A page never begins within a block of ARCHIVE_LENGTH places: the newest ends where the feed itself begins,
    and all others are whole blocks, whatever comes in.
    """

    first: int
    last: int

    @classmethod
    def before(cls, position: int) -> Self | None:
        """Return the page of what came right before a place, or None if nothing did."""
        last = position - 1
        return cls(last - (last - 1) % ARCHIVE_LENGTH, last) if last >= 1 else None

    @property
    def is_page(self) -> bool:
        """Whether there can be such a page: within one block, from its beginning."""
        return self == Places.before(self.last + 1)

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


@dataclass(frozen=True, kw_only=True)
class FeedAddress:
    """A feed in one format, or a page of its archive; there need not be one.

    Attributes:
        places: those of a page; None for the feed itself, which has the newest.
    """

    kind: LabelKind
    slug: str
    format: FeedFormat
    places: Places | None = None

    @classmethod
    def parse(cls, path: str) -> Self | None:
        """Return the address that has this path, or None: each has one, and nothing else is any."""
        found = _PATH.fullmatch(path)
        if found is None or len(found["slug"] or "") > _SLUG_LENGTH:
            return None
        kind = found["all"] or found["kind"]
        if kind not in list(LabelKind) or (kind == LabelKind.ALL) != bool(found["all"]):
            return None
        places = Places(int(found["first"]), int(found["last"])) if found["first"] else None
        if places is not None and not places.is_page:
            return None
        return cls(
            kind=LabelKind(kind),
            slug=found["slug"] or "all",
            format=FeedFormat(found["format"]),
            places=places,
        )

    @property
    def path(self) -> str:
        """The path of its only address."""
        return f"{path_of(self.kind, self.slug, self.places)}.{self.format}"

    @property
    def feed(self) -> Self:
        """The feed whose archive this is a page of; a feed itself."""
        return replace(self, places=None)


def path_of(kind: str, slug: str, places: Places | None = None) -> str:
    """Return the path of a label's feed, or of a page of its archive, without the ending of a format."""
    path = "/feeds/all" if kind == LabelKind.ALL else f"/feeds/{kind}/{slug}"
    return f"{path}/archive/{places}" if places else path
