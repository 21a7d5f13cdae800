"""How a command that stays up is told to end: Ctrl-C, SIGTERM, or a terminal that closes."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Stop(BaseException):
    """Somebody asked this process to end."""


@contextmanager
def until_stopped() -> Iterator[None]:
    """Run the block until it ends or somebody asks this process to; from then on nobody is heard.

    So what is cleaned up behind this block is cleaned up in order, and not left half-way.
    """
    for number in _SIGNALS:
        # Under nohup a closed terminal means nothing.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    try:
        yield
    except _Stop:
        pass
    finally:
        _be_deaf()


def _stop(_number: int, _frame: FrameType | None) -> None:
    _be_deaf()
    raise _Stop


def _be_deaf() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
