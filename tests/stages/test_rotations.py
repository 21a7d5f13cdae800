"""A rotation as a receiver sees it, with the reference library: which of its secrets verify, and when."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from publisher.database import Sessions
from publisher.ids import new_id
from publisher.notify.claiming.claim import Room, claim
from publisher.notify.endpoints.store import rotate_secret
from publisher.notify.secrets.box import show_secret
from publisher.notify.secrets.endpoint_secrets import OVERLAP, Rotation
from publisher.notify.sending import Request
from publisher.notify.shards.leases import beat
from tests.receivers import Receivers
from tests.stages.pumps import RunningPump
from tests.stages.subscribers import BOX, Subscribers
from tests.waiting import eventually

NOW = datetime.now(UTC)
OWN = bytes(range(24))
SENDER = new_id()


def sent(database: Sessions, *, at: datetime) -> Request:
    """Return what would be sent for the only delivery at an instant, stamped now."""
    with database.begin() as session:
        leases = beat(session, SENDER, in_flight=0, busy=set(), started=time.monotonic()).claimable
        (claimed,) = claim(session, leases, Room(slots=10), box=BOX, now=at).deliveries
        return claimed.sending.request(claimed.url, at=datetime.now(UTC), traceparent=None)


def verifies(secret: bytes, request: Request) -> bool:
    try:
        Webhook(show_secret(secret)).verify(request.body, dict(request.headers))
    except WebhookVerificationError:
        return False
    return True


@pytest.mark.parametrize("given", [None, OWN], ids=["made", "given"])
@pytest.mark.parametrize("overlap", [timedelta(seconds=1), OVERLAP, timedelta(days=7)])
def test_both_secrets_verify_in_the_overlap_and_only_the_new_one_after_it(
    database: Sessions, overlap: timedelta, given: bytes | None
) -> None:
    some = Subscribers(database)
    reader = some.subscribe()
    some.tell(reader)
    old = some.secrets[reader]
    with database.begin() as session:
        wanted = Rotation(secret=given, overlap=overlap)
        new, ends_at = rotate_secret(session, reader, box=BOX, at=NOW, wanted=wanted)

    during, after = (sent(database, at=at) for at in (ends_at - timedelta(microseconds=1), ends_at))

    assert (verifies(old, during), verifies(new, during)) == (True, True)
    assert (verifies(old, after), verifies(new, after)) == (False, True)
    # The current one comes first, for receivers that look at one signature only.
    assert during.headers["webhook-signature"].split(" ")[0].startswith("v1,")
    assert len(during.headers["webhook-signature"].split(" ")) == 2


def test_a_delivery_is_signed_with_the_secret_that_its_client_gave(database: Sessions) -> None:
    with Receivers() as receivers:
        some = Subscribers(database, lambda path, host: receivers.url(path, host=host))
        reader = some.subscribe("/hook", secret=show_secret(OWN))
        some.tell(reader)
        with RunningPump(database, BOX):
            (received,) = eventually(lambda: receivers.received("/hook"))

    assert some.secrets[reader] == OWN
    assert Webhook(show_secret(OWN)).verify(received.body, dict(received.headers))


def test_a_retry_after_a_rotation_without_overlap_is_signed_with_the_new_secret_only(
    database: Sessions,
) -> None:
    some = Subscribers(database)
    reader = some.subscribe()
    some.tell(reader, attempts=3)
    first = sent(database, at=NOW)
    with database.begin() as session:
        wanted = Rotation(overlap=timedelta(0))
        new, _ = rotate_secret(session, reader, box=BOX, at=NOW, wanted=wanted)

    retry = sent(database, at=NOW - timedelta(minutes=1))  # a sender whose clock is late

    assert (verifies(some.secrets[reader], first), verifies(some.secrets[reader], retry)) == (True, False)
    assert verifies(new, retry)
    assert first.headers["webhook-id"] == retry.headers["webhook-id"]
