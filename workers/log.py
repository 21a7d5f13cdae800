"""Structured logs: one line a step, an event name and fields, on standard error."""

import logging
import sys

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from publisher.settings import LogFormat


def configure_logging(log_format: LogFormat, *, process: str) -> None:
    """Send this process's logs, and those of the libraries that it uses, through one format.

    Args:
        process: `web`, `relay`, `worker`, `sender`, …; stands in every line.
    """
    shared: list[Processor] = [
        _naming(process),
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: Processor
    if log_format is LogFormat.JSON:
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("publisher").setLevel(logging.INFO)


def _naming(process: str) -> Processor:
    # Not by a context variable: those of the main thread are unknown to all others.
    def name(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
        line["process"] = process
        return line

    return name
