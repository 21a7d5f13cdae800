"""Answers that mean more than their delivery: few are settled in a turn, so that no lease waits for them."""

from datetime import UTC, datetime
from uuid import UUID

from publisher.ids import new_id
from publisher.notify.outcome import Answer, Consequence, DeliveryState, Outcome
from publisher.notify.recording.report import Report
from publisher.notify.recording.settling import to_settle, with_few_to_settle
from tests.claims import claimed_for

AT = datetime(2026, 11, 29, tzinfo=UTC)
PLAIN = None
GONE, CONFIRMED = Consequence.ENDPOINT_GONE, Consequence.CONFIRMED


def report(consequence: Consequence | None, *, endpoint: UUID | None = None) -> Report:
    claimed = claimed_for(endpoint or new_id())
    outcome = Outcome(state=DeliveryState.SUCCEEDED, consequence=consequence)
    return Report(claimed=claimed, answer=Answer(status=200), outcome=outcome, at=AT, ended_at=AT)


def test_reports_are_taken_up_to_the_first_that_would_be_too_much_to_settle() -> None:
    reports = [report(one) for one in (PLAIN, GONE, PLAIN, CONFIRMED, PLAIN, CONFIRMED, PLAIN)]

    assert with_few_to_settle(reports, most=2) == reports[:5]
    assert with_few_to_settle(reports, most=3) == reports
    assert with_few_to_settle(reports[:1], most=2) == reports[:1]


def test_an_endpoint_that_is_gone_is_settled_once_and_every_verification_is() -> None:
    endpoint = new_id()
    reports = [report(one, endpoint=endpoint) for one in (GONE, PLAIN, GONE, CONFIRMED, CONFIRMED)]

    settled = to_settle(reports)

    assert [one.outcome.consequence for one in settled] == [GONE, CONFIRMED, CONFIRMED]


def test_answers_are_settled_in_the_order_in_which_they_came() -> None:
    reports = [report(CONFIRMED) for _ in range(5)][::-1]

    assert to_settle(reports) == reports
