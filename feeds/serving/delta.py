"""What a document has that an earlier version of it had not; whoever has that one needs no more.

Source: RFC 3229, “Delta encoding in HTTP”, with the instance manipulation `feed`: entries that are new or
changed, in a document like any other.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from feeds.documents import Assembled, assemble

_REMEMBERED = 100
"""So many versions of a document are known again: some hours of a newspaper, half a minute of a flood."""

Part = TypeVar("Part", bound=Hashable)
# About what is kept in memory of an entry or a tombstone, and of an earlier version.
_PART_BYTES = 500
_VERSION_BYTES = 150


@dataclass(frozen=True, kw_only=True)
class History:
    """A document, and since which of its versions each part of it stands there as it does.

    Nothing is kept of earlier versions but their tags: a delta is made of what the document has now.

    Attributes:
        version: its own number.
        earlier: numbers of the versions that deltas can start from, by their tags; the latest last.
        entries: since which version each stands there, in their order.
        tombstones: the same.
    """

    document: Assembled
    version: int
    earlier: Mapping[str, int]
    entries: Sequence[int]
    tombstones: Sequence[int]

    @classmethod
    def begun(cls, document: Assembled) -> "History":
        """Return the history of a document that nothing is known before."""
        return cls(
            document=document,
            version=0,
            earlier={},
            entries=[0] * len(document.entries),
            tombstones=[0] * len(document.tombstones),
        )

    def followed_by(self, document: Assembled, *, tag: str) -> "History":
        """Return the history of the next version.

        Args:
            tag: of this one.
        """
        version, known = self.version + 1, {**self.earlier, tag: self.version}
        first = self._first_to_tell(document)
        usable = [(one, number) for one, number in known.items() if number >= first]
        entries = dict(zip(_texts(self.document), self.entries, strict=True))
        tombstones = dict(zip(self.document.tombstones, self.tombstones, strict=True))
        return History(
            document=document,
            version=version,
            earlier=dict(usable[-_REMEMBERED:]),
            entries=_since(_texts(document), entries, version),
            tombstones=_since(document.tombstones, tombstones, version),
        )

    def delta(self, version: int) -> bytes | None:
        """Return the document without what it had in an earlier version of it, or in itself.

        None: nothing of that version is left, so whoever has it may have missed more than stands here now,
        and has to see that.
        """
        document = self.document
        texts = _later(_texts(document), self.entries, version)
        if len(texts) == len(document.entries):
            return None
        tombstones = _later(document.tombstones, self.tombstones, version)
        return assemble(document.format, document.feed, [one.decode() for one in texts], tombstones)

    @property
    def size(self) -> int:
        """About the bytes of memory that it takes, without the document's."""
        return _PART_BYTES * (len(self.entries) + len(self.tombstones)) + _VERSION_BYTES * len(self.earlier)

    def _first_to_tell(self, following: Assembled) -> int:
        """Return the first version to whose readers a delta can tell what has left since.

        There is no word for what has left in RSS and JSON Feed, and in none for what only left a category.
        """
        told = {one.article_id for one in following.entries}
        told |= {one.article_id for one in following.tombstones}
        for one in self.document.entries:
            if one.article_id not in told and one.position >= following.oldest:
                return self.version + 1
        # Where the document goes further back than before, something may have left while it was out of sight.
        first = self.version if following.oldest < self.document.oldest else 0
        # A tombstone that has given way to newer ones is told to nobody any more.
        stay = set(following.tombstones)
        tombstones = zip(self.document.tombstones, self.tombstones, strict=True)
        return max([first, *(since for one, since in tombstones if one not in stay)])


def _texts(document: Assembled) -> list[bytes]:
    return [document.body[one.span] for one in document.entries]


def _since(parts: Iterable[Part], before: Mapping[Part, int], version: int) -> list[int]:
    return [before.get(one, version) for one in parts]


def _later(parts: Iterable[Part], since: Sequence[int], version: int) -> list[Part]:
    return [one for one, first in zip(parts, since, strict=True) if first > version]
