"""`python -m workers` is `publisher`."""

from workers.cli import main

main()
