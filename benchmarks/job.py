"""The same requests as a sender's, made by a bare loop over the same client."""

import json
from collections.abc import Sequence

from benchmarks.receivers import Receivers
from benchmarks.stand import CannotMeasure, System


class Job:
    """One body for many URLs."""

    def __init__(self, system: System, receivers: Receivers, urls: Sequence[str], *, body: str) -> None:
        self._system = system
        self._receivers = receivers
        self._count = len(urls)
        self._file = system.folder / "job.json"
        self._file.write_text(json.dumps({"urls": urls, "body": body}), "utf-8")

    def per_s(self, *, after_ms: int = 0) -> float:
        """Return requests a second of the bare loop, from the first to the last."""
        self._receivers.begin(after_ms=after_ms)
        succeeded = self._system.result_of("benchmarks.baseline_loop", str(self._file))["succeeded"]
        if succeeded != self._count:
            raise CannotMeasure(f"the bare loop delivered {succeeded} of {self._count}")
        return self._receivers.tally().per_s
