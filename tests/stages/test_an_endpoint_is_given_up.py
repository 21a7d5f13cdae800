"""Days of failures go by: only an endpoint that does nothing but fail for five of them is disabled, once."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from publisher.events import EventType
from publisher.schema import EndpointRow, EventRow
from tests.receivers import Reply
from tests.stages.listening import Listening, Making
from tests.stages.pumps import RunningPump
from tests.stages.subscribers import BOX
from tests.waiting import eventually

EVERY = timedelta(hours=12)
FIVE_DAYS = timedelta(days=5) // EVERY


def goes_by(some: Listening, span: timedelta) -> None:
    """Let time go by for the record: all that it knows of endpoints is older now."""
    columns = ("failing_since", "failed_at", "broken_until", "paused_until", "disabled_at")
    with some.sessions.begin() as session:
        session.execute(
            update(EndpointRow).values({name: getattr(EndpointRow, name) - span for name in columns})
        )


def told_of_it(some: Listening) -> int:
    """Return how often whoever asks for such news was told that an endpoint was disabled."""
    with some.sessions() as session:
        return session.scalar(select(func.count()).where(EventRow.type == EventType.ENDPOINT_DISABLED)) or 0


@pytest.mark.parametrize(
    ("answers", "disabled_by"),
    [
        # One outage, almost five days long.
        ([500] * FIVE_DAYS + [204], None),
        # Five days, and one failure more.
        ([500] * (FIVE_DAYS + 3), FIVE_DAYS + 1),
        # Now and then it succeeds.
        ([500] * (FIVE_DAYS - 2) + [204] + [500] * (FIVE_DAYS - 2), None),
    ],
    ids=["an outage", "five days", "intermittent"],
)
def test_it_is_disabled_when_it_has_only_failed_for_five_days(
    subscribers: Making, answers: list[int], disabled_by: int | None
) -> None:
    some = subscribers()
    reader = some.subscribe()
    after = []

    for status in answers:
        some.receivers.answer(lambda _, status=status: Reply(status=status))  # type: ignore[misc]
        some.tell(reader)
        before = some.receivers.count
        # A sender each time: what one remembers is counted by its own clock, which stands still here.
        with RunningPump(some.sessions, BOX):
            eventually(lambda before=before: some.receivers.count > before)  # type: ignore[misc]
        after.append(some.endpoint(reader).enabled)
        if not after[-1]:
            break
        goes_by(some, EVERY)

    assert (len(after) if not after[-1] else None) == disabled_by
    assert told_of_it(some) == (1 if disabled_by else 0)
    assert some.endpoint(reader).disabled_reason == ("failing" if disabled_by else None)
