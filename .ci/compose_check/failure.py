"""What a check raises, and how it waits."""

import time
from collections.abc import Callable, Iterable

import httpx


class CheckError(Exception):
    """Something is not as it was promised; the message says what."""


def check_that(wrong: Iterable[object], what: str) -> None:
    """Fail if anything is wrong.

    Raises:
        CheckError: with the first few of them.
    """
    found = [str(one) for one in wrong]
    if found:
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise CheckError(f"{what}: {', '.join(found[:5])}{more}")


def wait_for(look: Callable[[], Iterable[object]], what: str, *, within_s: float) -> None:
    """Wait until `look` finds nothing that is wrong any more; no answer is wrong, too.

    Raises:
        CheckError: when the time is over, with what was wrong last.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            wrong = list(look())
        except httpx.HTTPError as error:
            wrong = [repr(error)]
        if not wrong:
            return
        if time.monotonic() > deadline:
            check_that(wrong, f"{what}, after {within_s:.0f} s")
        time.sleep(0.5)
