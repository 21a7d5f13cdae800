"""What clients say when they want the past sent again, checked; contract.md's `POST …/replay`."""

import re
from datetime import UTC, datetime
from typing import Annotated

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
from publisher.notify.replay import Replayable, Window

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

    @field_validator("until")
    @classmethod
    def _comes_after_since(cls, until: datetime | None, others: ValidationInfo) -> datetime | None:
        since = others.data.get("since")
        if until is not None and since is not None and until <= since:
            raise expected("expected an instant after since")
        return until

    @property
    def window(self) -> Window:
        """The time of the messages."""
        return Window(since=self.since, until=self.until)

    @property
    def replayable(self) -> frozenset[Replayable]:
        """What of them is to be sent."""
        return frozenset(map(Replayable, self.states))
