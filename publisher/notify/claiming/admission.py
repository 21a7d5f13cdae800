"""Who may be sent what was found: as much as there are slots for, and no more than each endpoint takes."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from uuid import UUID

from publisher.notify.due import Due
from publisher.notify.memory.rates import tokens_since
from publisher.notify.memory.room import Room


class Admission:
    """Deals out the room of a sender.

    Attributes:
        admitted: what is to be sent.
        full: endpoints that have as many requests in flight as they take, and more is due to them.
        backlogged: endpoints that have more due than they take now, for whatever reason.
        is_over: whether slots are all that was missing to send more.
    """

    def __init__(self, room: Room, *, since_of: Callable[[int], float]) -> None:
        """Have admitted nothing.

        Args:
            since_of: since when a shard is ours, on the monotonic clock.
        """
        self.admitted: list[Due] = []
        self.full: set[UUID] = set()
        self.backlogged: set[UUID] = set()
        self.is_over = False
        self._room = room
        self._since_of = since_of
        self._flying = dict(room.flying)
        self._tokens = dict(room.tokens)
        self._slots_of_slow = room.slots_of_slow

    def admit(self, rows: Iterable[Due]) -> None:
        """Admit rows, the first ones first."""
        slow = self._room.slow
        for row in rows:
            if len(self.admitted) >= self._room.slots:
                self.is_over = True
                return
            # Most rooms know of nobody who is slow.
            is_slow = bool(slow) and row.endpoint_id in slow
            flying = self._flying.get(row.endpoint_id, 0)
            if not self._takes(row, flying):
                self.backlogged.add(row.endpoint_id)
            elif self._slots_of_slow or not is_slow:
                self._slots_of_slow -= is_slow
                self._begin(row, flying + 1)
            else:
                self.is_over = True

    def _takes(self, row: Due, flying: int) -> bool:
        if flying >= row.most_at_once:
            self.full.add(row.endpoint_id)
            return False
        return row.rate_per_s is None or self._tokens_of(row, row.rate_per_s) >= 1

    def _begin(self, row: Due, flying: int) -> None:
        self._flying[row.endpoint_id] = flying
        if row.rate_per_s is not None:
            self._tokens[row.endpoint_id] = self._tokens_of(row, row.rate_per_s) - 1
        self.admitted.append(row)

    def _tokens_of(self, row: Due, rate_per_s: float) -> float:
        known = self._tokens.get(row.endpoint_id)
        if known is not None:
            return known
        return tokens_since(self._since_of(row.shard), rate_per_s, at=self._room.at)


def in_turns(along: Iterable[Due], heads: Iterable[Due]) -> Iterator[Due]:
    """Let those without a backlog and those with one take turns, each delivery once."""
    seen = set()
    for row in (one for pair in zip_longest(along, heads) for one in pair if one is not None):
        if row.id not in seen:
            seen.add(row.id)
            yield row


def one_each(rows: Iterable[Due]) -> list[Due]:
    """Return the first row of every endpoint, then the second of every endpoint, and so on."""
    place: Counter[UUID] = Counter()
    placed = []
    for row in rows:
        placed.append((place[row.endpoint_id], row))
        place[row.endpoint_id] += 1
    return [row for _, row in sorted(placed, key=lambda pair: pair[0])]
