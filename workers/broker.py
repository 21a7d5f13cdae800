"""The way to Redis as Celery goes it: asked again soon and for ever; what was taken is noted nowhere."""

from typing import Any, Self

from celery.app.amqp import AMQP
from kombu.connection import Connection
from kombu.transport import redis, virtual

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 2.0


class TakenForGood(virtual.QoS):
    """Notes nothing in Redis about messages that were taken: what was lost, the relay sends again.

    kombu writes each message down a second time, and crosses it out when its task begins. While Redis stalls
    that takes five seconds, in which the worker does not hear what its processes have done, and ends them
    for being overdue; their messages stay noted, and after as many as it has processes it takes no more.
    """

    def can_consume(self) -> bool:
        """Return whether more may be taken: Celery counts for itself what its processes are at."""
        return True

    def restore_unacked(self) -> list[tuple[BaseException, object]]:
        """Put back what was taken and not begun; at the end, when Redis had an answer on its way to us.

        What was begun after all comes a second time, and too late: its token is void. What cannot be put back
        is sent again when its lease has run out.
        """
        super().restore_unacked()  # type: ignore[no-untyped-call]  # kombu's
        return []


class _Channel(redis.Channel):
    ack_emulation = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]  # kombu's
        self.QoS = TakenForGood  # type: ignore[assignment]  # without its emulation it has kombu's own


class _Transport(redis.Transport):
    Channel = _Channel


class SteadyConnection(Connection):
    """Asks every two seconds, however long Redis was away.

    Celery's worker lets kombu's own pause grow to 30 s and has no setting for it: after a minute without
    Redis a worker would sleep for another quarter of one.
    """

    def get_transport_cls(self) -> type[redis.Transport]:
        """Return what speaks with Redis."""
        return _Transport

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Self:
        """Return this connection once it is one; the arguments are kombu's."""
        pauses = {
            "interval_start": _FIRST_PAUSE_S,
            "interval_step": _FIRST_PAUSE_S,
            "interval_max": _LONGEST_PAUSE_S,
        }
        self._ensure_connection(*args, **{**pauses, **kwargs})  # type: ignore[no-untyped-call]  # kombu's
        return self


class SteadyAmqp(AMQP):  # type: ignore[misc]  # Celery has no types
    """What Celery makes its connections with."""

    Connection = SteadyConnection
