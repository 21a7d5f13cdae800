"""`publisher`, and `python -m workers`: where every command begins."""

import signal

# A Ctrl-C while modules load ends the process without a word; who has things to put in order listens later.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from workers.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
