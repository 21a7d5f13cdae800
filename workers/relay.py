"""The relay: outbox → Celery. The only redelivery that there is, so that Redis may lose whatever it likes."""

import threading
import time
from collections.abc import Collection
from datetime import timedelta

import structlog
from kombu.exceptions import OperationalError as BrokerError
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from publisher.database import Sessions
from publisher.errors import SettingsError
from publisher.events import Queue
from publisher.outbox.lease import (
    Outlook,
    Parcel,
    give_back,
    lease_due,
    leases_ran_out,
    look_ahead,
    take_back,
)
from publisher.outbox.parking import bring_back
from workers.app import PublisherApp
from workers.listen import Listener
from workers.metrics.relaying import RelayMeters
from workers.queues import waiting_messages, waiting_tokens
from workers.surroundings.database_concerns import LongTransactions
from workers.surroundings.redis import refusal_of

WINDOW = 8
"""Messages that wait in a queue at most: enough to keep workers busy, little to lose with Redis."""
_SHORTEST_REST = timedelta(milliseconds=5)
# As long as something is due for which there is no room, and when nothing is.
_FULL_REST, _LONGEST_REST = timedelta(milliseconds=20), timedelta(milliseconds=250)
_TAKE_BACK_EVERY_S = 1.0
_AFTER_ERROR_S = 0.5
log = structlog.get_logger("publisher.relay")


def rest_after(sent: int, outlook: Outlook, *, before: timedelta) -> timedelta:
    """Return for how long a relay rests after a look, if nobody wakes it.

    Short at first, and twice as long each time: not every commit wakes a relay, and what waits for a worker
    comes in steps.

    Args:
        sent: messages.
        before: its rest before the look.
    """
    if sent:
        return _SHORTEST_REST
    longest = _FULL_REST if outlook.due else min(_LONGEST_REST, outlook.next_in)
    return max(_SHORTEST_REST, min(2 * before, longest))


class Relay:
    """Sends what is due, and takes back what got lost; any number of relays may run."""

    def __init__(self, app: PublisherApp, sessions: Sessions, redis: Redis, *, meters: RelayMeters) -> None:
        self._app = app
        self._meters = meters
        self._sessions = sessions
        self._redis = redis
        self._long_transactions = LongTransactions()
        self._rest = _SHORTEST_REST

    def run(self, listener: Listener, stop: threading.Event) -> None:
        """Work until told to stop. What was leased and not sent comes due again by itself.

        Raises:
            SettingsError: when Redis does not take our password (any more).
        """
        next_take_back = 0.0
        while not stop.is_set():
            try:
                if time.monotonic() >= next_take_back:
                    next_take_back = time.monotonic() + _TAKE_BACK_EVERY_S
                    self.take_back_lost()
                    self._long_transactions.look(self._sessions, now=time.monotonic())
                    self.bring_back_parked()
                self.send_due()
            except AuthenticationError as error:
                raise SettingsError(refusal_of(error)) from error
            except (DBAPIError, NoConnection, RedisError, BrokerError) as error:
                self._meters.hindered()
                log.warning("relay.hindered", error=f"{type(error).__name__}: {error}".partition("\n")[0])
                stop.wait(_AFTER_ERROR_S)
                continue
            listener.wait(self._rest.total_seconds())

    def send_due(self) -> None:
        """Send the work that is due, as far as the window allows."""
        with self._sessions.begin() as session:
            outlook = look_ahead(session)
        sent = sum([self._send(queue) for queue in outlook.due])
        self._rest = rest_after(sent, outlook, before=self._rest)

    def take_back_lost(self) -> int:
        """Make work due again whose message or worker was lost; return how many obligations."""
        with self._sessions.begin() as session:
            if not leases_ran_out(session):
                return 0
        waiting = waiting_tokens(self._redis, list(Queue), prefix=self._app.settings.redis_prefix)
        with self._sessions.begin() as session:
            again = take_back(session, waiting)
        if again:
            self._meters.took_back(again)
            log.warning("relay.took_back", obligations=again)
        return again

    def bring_back_parked(self) -> None:
        """Put a slice of what was paused, and is not any more, where it is looked for."""
        with self._sessions.begin() as session:
            bring_back(session)

    def _send(self, queue: Queue) -> int:
        room = WINDOW - waiting_messages(self._redis, queue, prefix=self._app.settings.redis_prefix)
        if room <= 0:
            return 0
        with self._sessions.begin() as session:
            parcels = lease_due(session, queue, room=room)
        for sent, parcel in enumerate(parcels):
            try:
                self._publish(parcel)
                self._meters.sent(parcel)
            except (BrokerError, RedisError):
                self._give_back(parcels[sent:])
                raise
        return len(parcels)

    def _publish(self, parcel: Parcel) -> None:
        self._app.send_task(
            parcel.task,
            args=([str(one) for one in parcel.event_ids],),
            task_id=str(parcel.token),
            queue=parcel.queue.value,
            retry=False,
        )

    def _give_back(self, parcels: Collection[Parcel]) -> None:
        with self._sessions.begin() as session:
            give_back(session, parcels)
