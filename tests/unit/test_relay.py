"""How long a relay rests.

Guards: `rest_after`: what comes due is not slept over, and a relay that has nothing to do asks seldom.
"""

from datetime import timedelta

import pytest

from publisher.events import Queue
from publisher.outbox.lease import Outlook
from workers.relay import rest_after

FULL = Outlook(due=[Queue.PIPELINE], next_in=timedelta.max)


def ms(span: float) -> timedelta:
    return timedelta(milliseconds=span)


def quiet(next_in: timedelta = timedelta.max) -> Outlook:
    return Outlook(due=[], next_in=next_in)


@pytest.mark.parametrize(
    ("sent", "outlook", "before", "rest"),
    [
        (3, FULL, ms(250), ms(5)),
        (0, FULL, ms(5), ms(10)),
        (0, FULL, ms(250), ms(20)),
        (0, quiet(), ms(5), ms(10)),
        (0, quiet(), ms(160), ms(250)),
        (0, quiet(ms(90)), ms(160), ms(90)),
        (0, quiet(ms(0.01)), ms(160), ms(5)),
    ],
)
def test_a_relay_rests_for_as_long_as_nothing_is_to_be_expected(
    sent: int, outlook: Outlook, before: timedelta, rest: timedelta
) -> None:
    assert rest_after(sent, outlook, before=before) == rest
