"""How the processes that run tasks tell the one that forked them, which alone answers scrapes.

A datagram a message: it arrives whole or not at all, and what a process has told before it is killed has
been told. So counters never go back, whoever dies, and nothing is left on a disk.
"""

import json
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from publisher.undisturbed import undisturbed
from workers.handled import Handled

_LARGEST = 64 * 1024
# If the process above does not listen, its figures matter less than the work.
_PATIENCE_S = 0.1
_AFTER_ERROR_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Tally:
    """A message that was handled, as counts.

    Attributes:
        outcomes: how many obligations ended how; none when the message was void.
        published_after_s: of each revision that became public.
    """

    task: str
    took_s: float
    outcomes: Mapping[str, int]
    published_after_s: Sequence[float]


def tally_of(handled: Handled) -> Tally:
    """Return what came of a message as counts."""
    return Tally(
        task=handled.task,
        took_s=handled.took_s,
        outcomes=dict(Counter(handled.outcome_of(one) for one in handled.obligations)),
        published_after_s=handled.published_after_s(),
    )


class Wire:
    """Made before the fork: what any process tells, the first one hears."""

    def __init__(self) -> None:
        self._mouth, self._ear = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._mouth.setblocking(False)

    def tell(self, handled: Handled) -> None:
        """Tell of a message; in the process that handled it."""
        said = json.dumps(vars(tally_of(handled))).encode()
        try:
            self._mouth.send(said)
        except BlockingIOError:
            select.select([], [self._mouth], [], _PATIENCE_S)
            with suppress(OSError):
                self._mouth.send(said)

    def hear(self, count: Callable[[Tally], None]) -> None:
        """Listen from now on, in a thread; in the process that answers scrapes."""
        threading.Thread(target=self._listen, args=(count,), name="metrics-wire", daemon=True).start()

    def _listen(self, count: Callable[[Tally], None]) -> None:
        while True:
            with undisturbed("wire"):
                while True:
                    count(Tally(**json.loads(self._ear.recv(_LARGEST))))
            time.sleep(_AFTER_ERROR_S)
