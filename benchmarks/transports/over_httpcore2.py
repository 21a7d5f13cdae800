"""httpx2's own transport, over httpcore2."""

import httpcore2
import httpx2

from benchmarks.transports.over_httpcore import OverHttpcore

CANDIDATE = OverHttpcore(httpx2, httpcore2)
