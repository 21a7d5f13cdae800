"""What every process tells of itself: its version, its start, and what it takes of the machine."""

import platform

from prometheus_client import CollectorRegistry, Info, ProcessCollector, disable_created_metrics

from publisher import __version__


def new_registry(process: str) -> CollectorRegistry:
    """Return a registry that holds what all processes have in common.

    Args:
        process: `web`, `relay`, `worker` or `sender`.
    """
    # When a series began is of no use to anybody here, and doubles the length of a scrape.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the one function there without types
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    build = Info("publisher_build", "The version that runs, and as which process.", registry=registry)
    build.info({"version": __version__, "process": process, "python": platform.python_version()})
    return registry
