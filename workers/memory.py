"""How much memory a worker's process may take, so that an article which asks for more fails alone."""

import resource
import sys

_MB = 1024 * 1024


def limit_memory(megabytes: int) -> None:
    """Make whatever asks for more memory in this process fail with a MemoryError; 0: no limit.

    Only what is the process's own counts: neither programs and libraries in memory nor files mapped into it.
    Elsewhere than on Linux nothing is limited.
    """
    if sys.platform != "linux" or megabytes == 0:
        return
    most = megabytes * _MB
    # The soft limit only: what an operator has set as the hard one may be lower, and stays.
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def worth_replacing_kb(megabytes: int) -> int | None:
    """Return the memory from which on a process is replaced after its task, in kB; None: it never is.

    Args:
        megabytes: the limit. Half of it, so that an article finds most of what it may take free.
    """
    return megabytes * 1024 // 2 or None
