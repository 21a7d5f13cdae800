"""`publisher`, and `python -m workers`: where every command begins."""

import gc
import signal

# A Ctrl-C while modules load ends the process without a word; who has things to put in order listens later.
signal.signal(signal.SIGINT, signal.SIG_DFL)
# Nothing of what modules make is garbage; looking for it would take a seventh of the time to load them.
gc.disable()

from workers.cli import main  # noqa: E402

gc.freeze()
gc.enable()

if __name__ == "__main__":
    main()
