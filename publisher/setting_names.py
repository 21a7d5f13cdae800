"""Names in the environment or `.env` that begin as ours and are no setting: slips, which are warned of."""

import sys
from collections.abc import Collection, Iterable
from functools import cache

import structlog


def slips(given: Iterable[str], known: Collection[str], *, prefix: str) -> list[str]:
    """Return each name that has the prefix and is not known.

    Args:
        given: in any case; names of tests are their own affair.
    """
    names = sorted({name.upper() for name in given} - set(known))
    return [name for name in names if name.startswith(prefix) and not name.startswith(f"{prefix}TEST_")]


def warn_of_slips(names: Iterable[str]) -> None:
    """Warn of each, once a process."""
    for name in names:
        _warn_of(name)


@cache
def _warn_of(name: str) -> None:
    # Settings are read before logs are sent anywhere; standard output belongs to the commands' results.
    ours = isinstance(structlog.get_config()["logger_factory"], structlog.stdlib.LoggerFactory)
    log = structlog.get_logger("publisher.settings") if ours else _log_on_stderr()
    log.warning("settings.unknown", name=name)


def _log_on_stderr() -> structlog.typing.FilteringBoundLogger:
    log: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(structlog.PrintLogger(sys.stderr))
    return log
