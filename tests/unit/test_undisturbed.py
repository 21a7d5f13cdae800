"""What measures never disturbs what is measured, and says once that it cannot measure."""

import subprocess
import sys
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from publisher.undisturbed import undisturbed
from workers.app import PublisherApp
from workers.handled import Handled
from workers.metrics.relaying import RelayMeters
from workers.metrics.requests import WebMeters

VOID = Handled(task="publish", obligations=[], fates={}, took_s=0.0)
NONSENSE: Any = None
FAIL_IN_PARENT_AND_CHILD = """
import os
from publisher.undisturbed import undisturbed

def fail():
    with undisturbed("tests"):
        raise LookupError

fail()
child = os.fork()
fail()
if child:
    os.waitpid(child, 0)
"""


def test_each_kind_of_error_is_logged_once_with_where_it_came_from() -> None:
    class OneKindError(Exception):
        pass

    class OtherKindError(Exception):
        pass

    with capture_logs() as logs:
        for error in (OneKindError, OneKindError, OtherKindError, OneKindError):
            with undisturbed("tests"):
                raise error

    assert [(one["event"], one["observer"], type(one["exc_info"])) for one in logs] == [
        ("observer.failed", "tests", OneKindError),
        ("observer.failed", "tests", OtherKindError),
    ]


def test_what_a_process_logged_before_it_forked_is_logged_by_its_child_too() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", FAIL_IN_PARENT_AND_CHILD],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert (ended.stdout + ended.stderr).count("observer.failed") == 2


def test_the_end_of_a_process_is_no_error() -> None:
    with pytest.raises(SystemExit), undisturbed("tests"):
        raise SystemExit


def test_who_hears_of_steps_and_fails_ends_no_step_and_keeps_nothing_from_the_next() -> None:
    class NoRoomError(Exception):
        pass

    def fail(_: Handled) -> None:
        raise NoRoomError

    app, heard = PublisherApp("tests", set_as_current=False), []
    app.observers = (fail, heard.append, fail)

    app.observe(VOID)

    assert heard == [VOID]


def test_meters_that_cannot_count_hold_up_neither_relay_nor_requests() -> None:
    relay, web = RelayMeters(CollectorRegistry()), WebMeters(CollectorRegistry())

    relay.sent(NONSENSE)
    relay.took_back(NONSENSE)
    web.accepted([NONSENSE])
    web.answered("api", "200", seconds=NONSENSE)
