"""What clients say about an endpoint, checked; contract.md's “Endpoints … in”."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from publisher.field_problems import expected
from publisher.notify.endpoints.destination import check_name, check_url
from publisher.notify.endpoints.filters import PATTERNS, Filter, category_slug
from publisher.notify.secrets.secret_in import GivenSecret
from publisher.notify.wire.addresses import Lookup, Network
from publisher.text import clean, clean_line

_MAX_CATEGORY = 100


def _known(pattern: str) -> str:
    if pattern not in PATTERNS:
        raise expected(f"expected one of {', '.join(PATTERNS)}")
    return pattern


def _category(name: str) -> str:
    cleaned = clean_line(name)
    if not 1 <= len(cleaned) <= _MAX_CATEGORY:
        raise expected(f"expected the name of a category, 1 to {_MAX_CATEGORY} characters")
    return cleaned


def _once_each(patterns: list[str]) -> list[str]:
    return list(dict.fromkeys(patterns))


def _once_each_folded(names: list[str]) -> list[str]:
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(category_slug(name), name)
    return list(first.values())


Patterns = Annotated[
    list[Annotated[str, AfterValidator(_known)]],
    Field(min_length=1, max_length=20, description=f"What to be told of: {', '.join(PATTERNS)}."),
    AfterValidator(_once_each),
]
Categories = Annotated[
    list[Annotated[str, AfterValidator(_category)]],
    Field(min_length=1, max_length=50, description="Only articles in one of these; null: all articles."),
    AfterValidator(_once_each_folded),
]
_Description = Annotated[str, Field(max_length=500, description="For people."), AfterValidator(clean)]
_Rate = Annotated[float, Field(ge=0.1, le=1000, description="Requests a second at most.")]
_InFlight = Annotated[int, Field(ge=1, le=100, description="Requests at a time at most.")]
_Timeout = Annotated[float, Field(ge=1, le=30, description="Seconds that a request may take.")]


class _EndpointMembers(BaseModel):
    """What is said of an endpoint when it is made, and may be changed later."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={
            "example": {
                "url": "https://example.com/webhooks",
                "event_types": ["article.*"],
                "categories": ["Xã hội"],
                "description": "Search index",
            }
        },
    )

    url: str = Field(max_length=2048, description="Absolute https URL with a public host.")
    event_types: Patterns = Field(default=["article.*"])
    categories: Categories | None = None
    description: _Description | None = None
    rate_per_s: _Rate | None = None
    max_in_flight: _InFlight | None = None
    fifo: bool = Field(default=False, description="Whether to send one after the other, in order.")
    timeout_s: _Timeout | None = None


class EndpointIn(_EndpointMembers):
    """An endpoint to be made."""

    secret: GivenSecret | None = Field(default=None, repr=False)

    @property
    def filter(self) -> Filter:
        """What the endpoint is told of."""
        categories = None if self.categories is None else tuple(self.categories)
        return Filter(event_types=tuple(self.event_types), categories=categories)


def _without_defaults(schema: dict[str, Any]) -> None:
    # What is left out of a PATCH stays as it is; it does not become the default.
    for member in schema["properties"].values():
        member.pop("default", None)


class EndpointPatch(_EndpointMembers):
    """What is to change of an endpoint; members that are left out stay as they are."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    # The default is never read: only members that were given count (`given`).
    url: str = Field(default="", max_length=2048, description="Absolute https URL with a public host.")
    enabled: bool = Field(default=True, description="False holds what waits; true does not release it.")

    @property
    def given(self) -> dict[str, Any]:
        """The members that were given, by name."""
        return self.model_dump(exclude_unset=True)


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Where endpoints may lie: `PUBLISHER_ALLOWED_NETWORKS`, `PUBLISHER_ALLOW_HTTP`.

    Attributes:
        lookup: how names are resolved; None is the system's resolver.
    """

    allowed: tuple[Network, ...] = ()
    allow_http: bool = False
    lookup: Lookup | None = None

    def check(self, url: str) -> None:
        """Check a URL and what its name resolves to; asks the network, so never inside a transaction.

        Raises:
            InvalidInput: pointing at `/url`, when webhooks may not go there.
        """
        check_url(url, allowed=self.allowed, allow_http=self.allow_http)
        check_name(url, allowed=self.allowed, lookup=self.lookup)
