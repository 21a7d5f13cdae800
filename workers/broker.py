"""The way to Redis as Celery goes it, tried again soon and for ever while Redis is away."""

from typing import Any, Self

from celery.app.amqp import AMQP
from kombu.connection import Connection

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 2.0


class SteadyConnection(Connection):
    """Asks every two seconds, however long Redis was away.

    Celery's worker lets kombu's own pause grow to 30 s and has no setting for it: after a minute without
    Redis a worker would sleep for another quarter of one.
    """

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
