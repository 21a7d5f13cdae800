"""What can go wrong, as one tree.

PublisherError
├── SettingsError            a setting is missing or makes no sense
├── InvalidInput             fields of what came in are not what was expected
├── Conflict                 the request contradicts what is stored
│   ├── ArticleRetracted
│   └── IdentityConflict
├── NotFound
└── Gone
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID


class PublisherError(Exception):
    """Anything that this project raises on purpose; the message is one readable line."""


class SettingsError(PublisherError):
    """A setting is missing or makes no sense. Starting again helps only after it was changed."""


@dataclass(frozen=True, kw_only=True)
class FieldProblem:
    """One field that is not what was expected.

    Attributes:
        pointer: where it stands, as a JSON Pointer (RFC 6901): `/images/0/url`; empty for the whole.
        detail: what was expected, as one sentence.
    """

    pointer: str
    detail: str


class InvalidInput(PublisherError):
    """What came in cannot be accepted as it is; nothing of it was stored."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "; ".join(f"{p.pointer.removeprefix('/') or 'input'}: {p.detail}" for p in self.problems)
        )

    @classmethod
    def of(cls, pointer: str, detail: str) -> "InvalidInput":
        """Return the error for a single field."""
        return cls([FieldProblem(pointer=pointer, detail=detail)])


class Conflict(PublisherError):
    """The request contradicts what is stored; the same request again fails again."""


class ArticleRetracted(Conflict):
    """The article was taken down; only a submission with `restore` brings it back."""

    def __init__(self, message: str, *, article_id: UUID) -> None:
        self.article_id = article_id
        super().__init__(message)


class IdentityConflict(Conflict):
    """The url belongs to one article and the guid to another."""


class NotFound(PublisherError):
    """There is nothing under this id."""


class Gone(PublisherError):
    """There was something under this id, and it was taken away."""
