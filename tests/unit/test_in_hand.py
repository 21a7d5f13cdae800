"""What a sender has in its memory: while one thread looks for more, the other records what was answered."""

from datetime import UTC, datetime

import pytest

from publisher.ids import new_id
from publisher.notify.claimed import Claimed
from publisher.notify.claiming.claim import Claim, Looked
from publisher.notify.claiming.looks import Seen
from publisher.notify.outcome import Answer, Outcome
from publisher.notify.pump.in_hand import InHand
from publisher.notify.recording.report import Report
from tests.claims import claimed_for

ASKS_FOR_SILENCE = {"retry-after": "120"}


@pytest.fixture
def in_hand() -> InHand:
    return InHand(10)


def found(*deliveries: Claimed) -> Claim:
    return Claim(
        deliveries=deliveries,
        more=False,
        full=(),
        backlogged=(),
        looked=Looked(endpoints=()),
        seen=Seen(rows=(), reached={}, cut=()),
    )


def report_of(claimed: Claimed, answer: Answer) -> Report:
    at = datetime.now(UTC)
    outcome: Outcome = claimed.sending.judge(answer, attempts=1, at=at, jitter=0.0)
    return Report(claimed=claimed, answer=answer, outcome=outcome, at=at, ended_at=at)


def begins(in_hand: InHand, *deliveries: Claimed) -> list[Claimed]:
    """Let a look bring deliveries; return which of them are to be sent."""
    return list(in_hand.learn(found(*deliveries), in_hand.room([0])))


def test_silence_that_was_recorded_while_a_look_was_under_way_counts_for_what_it_brought(
    in_hand: InHand,
) -> None:
    reader, other = new_id(), new_id()
    (first,) = begins(in_hand, claimed_for(reader))
    room = in_hand.room([0])
    in_hand.land(first, report_of(first, Answer(status=503, headers=ASKS_FOR_SILENCE)))
    in_hand.forget(list(in_hand.reports))

    brought = [claimed_for(reader), claimed_for(other)]
    begun = in_hand.learn(found(*brought), room)

    assert begun == brought[1:]
    assert in_hand.flying == 1


def test_a_look_that_begins_after_silence_was_recorded_is_told_by_the_record(in_hand: InHand) -> None:
    reader = new_id()
    (first,) = begins(in_hand, claimed_for(reader))
    in_hand.land(first, report_of(first, Answer(status=503, headers=ASKS_FOR_SILENCE)))

    before = in_hand.room([0]).full
    in_hand.forget(list(in_hand.reports))
    after = in_hand.room([0]).full

    assert (list(before), list(after)) == ([reader], [])


def test_silence_counts_until_the_last_answer_that_asks_for_it_is_recorded(in_hand: InHand) -> None:
    reader = new_id()
    asked = begins(in_hand, claimed_for(reader), claimed_for(reader))
    for one in asked:
        in_hand.land(one, report_of(one, Answer(status=503, headers=ASKS_FOR_SILENCE)))

    in_hand.forget(in_hand.reports[:1])
    in_hand.room([0])

    assert in_hand.is_silent(reader)
    in_hand.forget(list(in_hand.reports))
    in_hand.room([0])
    assert not in_hand.is_silent(reader)


def test_what_was_not_sent_is_let_go_of_and_nobody_is_silent_for_it(in_hand: InHand) -> None:
    reader = new_id()
    (one,) = begins(in_hand, claimed_for(reader))

    in_hand.land(one, None)

    assert (in_hand.flying, in_hand.shards, in_hand.is_silent(reader)) == (0, frozenset(), False)
