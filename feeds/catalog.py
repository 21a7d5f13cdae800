"""Which feeds there are, and where: each label has one, in every format, with pages of what is older.

What a label has may also be read under a token, which belongs to one reader.
"""

import re
from dataclasses import dataclass, field
from typing import ClassVar, Self

from feeds.feed import FeedFormat
from publisher.labels import LabelKind

ARCHIVE_LENGTH = 50
"""Places on a page of an archive; pages are told apart by them, so it is the same for ever."""

PRIVATE = "/feeds/private/"
"""What the paths of private feeds begin with; a token follows."""

SLUG = "[a-z0-9]+(?:-[a-z0-9]+)*"
_REST = (
    r"(?:/archive/(?P<first>[1-9][0-9]{0,17})-(?P<last>[1-9][0-9]{0,17}))?"
    rf"\.(?P<format>{'|'.join(FeedFormat)})"
)
_PATH = re.compile(f"/feeds/(?:(?P<all>all)|(?P<kind>[a-z]+)/(?P<slug>{SLUG})){_REST}")
_PRIVATE_PATH = re.compile(f"{PRIVATE}(?P<token>[A-Za-z0-9_-]{{1,200}}){_REST}")
SLUG_LENGTH = 200


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


def stem_of(kind: LabelKind, slug: str) -> str:
    """Return the path of a label's feed, without the ending of a format."""
    return "/feeds/all" if kind is LabelKind.ALL else f"/feeds/{kind}/{slug}"


@dataclass(frozen=True, kw_only=True)
class FeedAddress:
    """A feed in one format, or a page of its archive; there need not be one.

    Attributes:
        places: those of a page; None for the feed itself, which has the newest.
    """

    is_private: ClassVar = False

    kind: LabelKind
    slug: str
    format: FeedFormat
    places: Places | None = None

    @classmethod
    def parse(cls, path: str) -> Self | None:
        """Return the address that has this path, or None: each has one, and nothing else is any."""
        found = _PATH.fullmatch(path)
        if found is None or len(found["slug"] or "") > SLUG_LENGTH:
            return None
        kind = found["all"] or found["kind"]
        if kind not in list(LabelKind) or (kind == LabelKind.ALL) != bool(found["all"]):
            return None
        places = _places(found)
        if places is not None and not places.is_page:
            return None
        return cls(
            kind=LabelKind(kind),
            slug=found["slug"] or "all",
            format=FeedFormat(found["format"]),
            places=places,
        )

    @property
    def is_renewed(self) -> bool:
        """Whether it is made anew before anybody asks; pages of archives change seldom, and are many."""
        return self.places is None

    @property
    def is_topic(self) -> bool:
        """Whether what is new can be subscribed to (WebSub)."""
        return self.places is None

    @property
    def stem(self) -> str:
        """The path of the feed without the ending of a format."""
        return stem_of(self.kind, self.slug)

    @property
    def path(self) -> str:
        """The path of its only address."""
        return f"{path_within(self, self.places)}.{self.format}"


@dataclass(frozen=True, kw_only=True)
class PrivateAddress:
    """The same under a token: whoever knows the address may read it, and nobody else learns of it."""

    is_private: ClassVar = True
    is_renewed: ClassVar = False

    token: str = field(repr=False)
    format: FeedFormat
    places: Places | None = None

    @classmethod
    def parse(cls, path: str) -> Self | None:
        """Return the address that has this path, or None."""
        found = _PRIVATE_PATH.fullmatch(path)
        places = _places(found) if found else None
        if found is None or (places is not None and not places.is_page):
            return None
        return cls(token=found["token"], format=FeedFormat(found["format"]), places=places)

    @property
    def is_topic(self) -> bool:
        """Whether what is new can be subscribed to (WebSub)."""
        return self.places is None

    @property
    def stem(self) -> str:
        """The path of the feed without the ending of a format."""
        return PRIVATE + self.token

    @property
    def path(self) -> str:
        """The path of its only address."""
        return f"{path_within(self, self.places)}.{self.format}"


def path_within(address: FeedAddress | PrivateAddress, places: Places | None) -> str:
    """Return the path of the feed, or of any page of its archive, without the ending of a format."""
    return f"{address.stem}/archive/{places}" if places else address.stem


def private_urls(base_url: str, token: str) -> dict[str, str]:
    """Return the addresses that a token opens, by format."""
    formats = {one: PrivateAddress(token=token, format=one) for one in FeedFormat}
    return {one.value: base_url + address.path for one, address in formats.items()}


def _places(found: re.Match[str]) -> Places | None:
    return Places(int(found["first"]), int(found["last"])) if found["first"] else None
