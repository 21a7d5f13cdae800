"""Which tests each process of pytest-xdist begins with: those that wait long, so that none is left last."""

from collections.abc import Sequence
from itertools import chain, groupby

import pytest

LASTS_A_MINUTE = "lasts_a_minute"
_FOLDERS = ("pipeline", "browser", "stages")


def dealt(items: Sequence[pytest.Item], *, processes: int) -> list[pytest.Item]:
    """Return the tests in the order in which so many processes get them, each about an equal part in a piece.

    Modules stay together as long as their tests are of one kind.
    """
    parts: list[list[pytest.Item]] = [[] for _ in range(processes)]
    longest_first = sorted(items, key=_turn)
    for _, module in groupby(longest_first, key=lambda item: (_turn(item), item.path)):
        min(parts, key=len).extend(module)
    return list(chain.from_iterable(parts))


def _turn(item: pytest.Item) -> int:
    if item.get_closest_marker(LASTS_A_MINUTE):
        return -1
    folder = item.path.parent.name
    return _FOLDERS.index(folder) if folder in _FOLDERS else len(_FOLDERS)
