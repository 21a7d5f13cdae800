"""What an answer means for more than its delivery: an endpoint is gone, a subscription begins or ends."""

from collections.abc import Sequence
from itertools import islice

from sqlalchemy.orm import Session

from publisher.notify.endpoints.disabling import DisabledReason, disable, give_up
from publisher.notify.outcome import OF_ENDPOINTS, Consequence
from publisher.notify.recording.flush import ours_of
from publisher.notify.recording.report import Report
from publisher.notify.websub.ending import end
from publisher.notify.websub.subscriptions import confirm, end_denied, leave_unconfirmed

_REASONS = {
    Consequence.ENDPOINT_GONE: DisabledReason.GONE,
    Consequence.ENDPOINT_DECLINES: DisabledReason.DECLINED,
}


def with_few_to_settle(reports: Sequence[Report], *, most: int) -> Sequence[Report]:
    """Return the first reports, among which no more than so many have to be settled."""
    settled = (number for number, one in enumerate(reports) if one.outcome.consequence)
    first_too_many = next(islice(settled, most, None), None)
    return reports[:first_too_many]


def to_settle(reports: Sequence[Report]) -> list[Report]:
    """Return the reports that have to be settled, in their order, one for each endpoint that is gone."""
    found = {}
    for one in reports:
        if one.outcome.consequence in OF_ENDPOINTS:
            found[one.claimed.endpoint_id] = one
        elif one.outcome.consequence:
            found[one.claimed.id] = one
    return list(found.values())


def settle(session: Session, report: Report) -> bool:
    """Do what an answer means besides, if its shard is still ours; return whether an endpoint was disabled.

    In a transaction of its own, before the attempt is recorded: it locks the endpoint, and what waits for it.
    Once more changes nothing.
    """
    if not ours_of(session, [report]):
        return False
    match report.outcome.consequence:
        case Consequence.ENDPOINT_GONE | Consequence.ENDPOINT_DECLINES as wish:
            return disable(session, report.claimed.endpoint_id, _REASONS[wish])
        case Consequence.ENDPOINT_FAILING:
            return give_up(session, report.claimed.endpoint_id)
        case Consequence.CONFIRMED:
            confirm(session, report.claimed.id)
        case Consequence.NOT_CONFIRMED:
            leave_unconfirmed(session, report.claimed.id)
        case Consequence.DENIED:
            end_denied(session, report.claimed.id)
        case Consequence.SUBSCRIPTION_OVER:
            end(session, report.claimed.endpoint_id)
    return False
