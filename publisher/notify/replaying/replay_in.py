"""What clients say when they want the past sent again, checked; contract.md's `POST …/replay`."""

import re
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from publisher.field_problems import expected
from publisher.notify.endpoints.endpoint_in import Categories, Patterns
from publisher.notify.endpoints.filters import EVERYTHING, Filter
from publisher.notify.replaying.past import Past, Replayable, Window

_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.IGNORECASE | re.ASCII
)
_YEARS = range(1900, 2101)


def _instant(value: object) -> datetime:
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise expected("expected an RFC 3339 instant with an offset, such as 2026-05-04T08:00:00+07:00")
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError:
        raise expected("expected an instant that exists") from None
    if moment.year not in _YEARS:
        raise expected(f"expected a year from {_YEARS.start} to {_YEARS.stop - 1}")
    return moment.astimezone(UTC)


_Instant = Annotated[datetime, BeforeValidator(_instant)]


def _state(name: str) -> str:
    if name not in set(Replayable):
        raise expected(f"expected one of {', '.join(Replayable)}")
    return name


_States = Annotated[
    list[Annotated[str, AfterValidator(_state)]],
    Field(min_length=1, max_length=len(Replayable), description="missing: never given to this endpoint."),
]
_ArticleId = Annotated[UUID, Field(strict=False, description="Only what is about this article.")]
_Rate = Annotated[
    float,
    Field(ge=0.1, le=1000, description="Deliveries a second at most; null: 100, or half of the endpoint's."),
]


class ReplayIn(BaseModel):
    """What is to be sent again."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={"example": {"since": "2026-05-04T00:00:00+07:00", "states": ["failed"]}},
    )

    since: _Instant = Field(description="Messages of this instant and later.")
    until: _Instant | None = Field(default=None, description="Messages before this instant; null: till now.")
    states: _States = Field(default=list(Replayable))
    event_types: Patterns = Field(default=[EVERYTHING], description="Only messages of these types.")
    categories: Categories | None = None
    article_id: _ArticleId | None = None
    rate_per_s: _Rate | None = None

    @field_validator("until")
    @classmethod
    def _comes_after_since(cls, until: datetime | None, others: ValidationInfo) -> datetime | None:
        since = others.data.get("since")
        if until is not None and since is not None and until <= since:
            raise expected("expected an instant after since")
        return until

    @property
    def past(self) -> Past:
        """What is wanted."""
        categories = None if self.categories is None else tuple(self.categories)
        return Past(
            window=Window(since=self.since, until=self.until),
            states=frozenset(map(Replayable, self.states)),
            only=Filter(event_types=tuple(self.event_types), categories=categories),
            article_id=self.article_id,
            rate_per_s=self.rate_per_s,
        )
