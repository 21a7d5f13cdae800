"""A process of the system that ends soon after its parent does, whatever hinders it.

`python -m workers.guarded relay` is `publisher relay`, without the commands that no process needs.
"""

import os
import signal
import threading
import time

import typer

from workers.commands.ending import run_and_exit
from workers.commands.processes import PROCESSES

_LOOK_EVERY_S = 0.25
# For what was begun: the kernel has asked this process to end at the moment when its parent did.
_GRACE_S = 2.5


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    # A timer of the kernel's runs on while the interpreter cleans up, when threads do not.
    signal.setitimer(signal.ITIMER_REAL, _GRACE_S)
    time.sleep(_GRACE_S)
    os.killpg(0, signal.SIGKILL)  # what was forked, too


def main() -> None:
    """Run the process that the arguments name, and watch over its parent."""
    threading.Thread(target=_end_with, args=(os.getppid(),), name="guard", daemon=True).start()
    cli = typer.Typer(pretty_exceptions_enable=False)
    for process in PROCESSES:
        cli.command()(process)
    run_and_exit(cli)


if __name__ == "__main__":
    main()
