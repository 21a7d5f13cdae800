"""The way of a command to the database of a system that runs already."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from publisher.database import Sessions, sessions
from publisher.errors import InvalidInput
from publisher.settings import Settings
from workers.connections import Kind
from workers.opening import open_database
from workers.pipeline import app


@contextmanager
def opened(settings: Settings) -> Iterator[Sessions]:
    """Yield sessions on the database of the settings.

    Raises:
        SettingsError: when it cannot be reached or lacks this version's tables.
    """
    engine = open_database(settings, Kind.COMMAND)
    try:
        yield sessions(engine, app.routes)
    finally:
        engine.dispose()


def id_of(text: str, name: str) -> UUID:
    """Return the id that an argument spells; the uri of an article ends in its id.

    Raises:
        InvalidInput: when it is none.
    """
    try:
        return UUID(text.strip().rpartition("/")[2])
    except ValueError:
        raise InvalidInput.of(f"/{name}", f"is {text[:100]!r}, expected a UUID") from None
