"""Steps that ask the database: what passes is waited for, what is their own fault is told."""

import asyncio

import pytest
from psycopg import errors
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError, ProgrammingError

from publisher.notify.pump.asking import unhindered

PASSING = [
    InternalError("UPDATE", {}, errors.ReadOnlySqlTransaction()),
    OperationalError("UPDATE", {}, errors.DeadlockDetected()),
    OperationalError("UPDATE", {}, errors.AdminShutdown()),
    InternalError("UPDATE", {}, errors.IdleInTransactionSessionTimeout()),
]


def run(error: DBAPIError) -> object:
    async def step() -> object:
        raise error

    return asyncio.run(unhindered(step, pause_s=0))


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error.orig).__name__)
def test_what_passes_is_no_answer(error: DBAPIError) -> None:
    assert run(error) is None


@pytest.mark.parametrize(
    "error",
    [
        ProgrammingError("UPDATE", {}, errors.UndefinedTable()),
        OperationalError("UPDATE", {}, errors.ProgramLimitExceeded()),
    ],
    ids=lambda error: type(error.orig).__name__,
)
def test_what_does_not_pass_is_raised(error: DBAPIError) -> None:
    with pytest.raises(type(error)):
        run(error)
