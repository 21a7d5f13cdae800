"""`python -m tests.pipeline.poisoned …` is `python -m workers …`; some titles upset its enrichment."""

import os
import signal
import time
from collections.abc import Callable, Mapping

from publisher.enrich.enrichment import EnrichInput
from publisher.enrich.stage import Found, find_out
from workers import pipeline
from workers.cli import main

# Far more than a process may take, and no more than a machine has if nothing stops it.
_MOST_MB = 3_000
_A_LONG_TIME_S = 60


def _raise() -> None:
    raise ValueError("this title upsets me")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _hang() -> None:
    time.sleep(_A_LONG_TIME_S)


def _eat() -> None:
    # At once: what is given bit by bit is touched, which may take a machine longer than the time limit.
    bytearray(_MOST_MB * 1_000_000)


POISONS: Mapping[str, Callable[[], None]] = {"raises": _raise, "kills": _die, "hangs": _hang, "eats": _eat}
"""What an article of this title does to whoever enriches it."""


def find_out_or_suffer(text: EnrichInput) -> Found:
    """Return what the article is about, unless its title is a poison."""
    if text.title in POISONS:
        POISONS[text.title]()
    return find_out(text)


if __name__ == "__main__":
    pipeline.find_out = find_out_or_suffer
    main()
