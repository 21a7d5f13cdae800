"""Metrics of the relay: what it sent to the workers, and what it had to take back."""

from prometheus_client import CollectorRegistry, Counter

from publisher.outbox.lease import Parcel
from publisher.undisturbed import undisturbed

_safely = undisturbed("relay")


class RelayMeters:
    """What a relay counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._messages = Counter(
            "publisher_relay_messages", "Messages that were sent to Redis.", ["task"], registry=registry
        )
        self._obligations = Counter(
            "publisher_relay_obligations", "Obligations in these messages.", ["task"], registry=registry
        )
        self._taken_back = Counter(
            "publisher_relay_taken_back",
            "Obligations that are due again because their message or their worker was lost.",
            registry=registry,
        )
        self._hindered = Counter(
            "publisher_relay_hindered",
            "Rounds that PostgreSQL or Redis did not let come to an end.",
            registry=registry,
        )

    @_safely
    def sent(self, parcel: Parcel) -> None:
        """Count a message that stands in Redis."""
        self._messages.labels(parcel.task).inc()
        self._obligations.labels(parcel.task).inc(len(parcel.event_ids))

    @_safely
    def took_back(self, obligations: int) -> None:
        """Count obligations that have to be sent again."""
        self._taken_back.inc(obligations)

    @_safely
    def hindered(self) -> None:
        """Count a round that failed."""
        self._hindered.inc()
