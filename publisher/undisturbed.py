"""What measures never disturbs what is measured: the one place where the errors of observers end."""

import os
from contextlib import ContextDecorator
from types import TracebackType

import structlog

_told: set[tuple[str, type[BaseException]]] = set()
# What was logged before a fork was logged by another process.
os.register_at_fork(after_in_child=_told.clear)
log = structlog.get_logger("publisher.undisturbed")


def undisturbed(by: str) -> "_Undisturbed":
    """Go on behind the block, or after the function as its decorator, whatever exception is raised in it.

    Each kind of error is logged once a process: observers hear of thousands of things a second.

    Args:
        by: what observes; stands in the log.
    """
    return _Undisturbed(by)


class _Undisturbed(ContextDecorator):
    def __init__(self, by: str) -> None:
        self._by = by

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if kind is None or not issubclass(kind, Exception):
            return False
        if (self._by, kind) not in _told:
            _told.add((self._by, kind))
            log.error("observer.failed", observer=self._by, exc_info=error)
        return True
