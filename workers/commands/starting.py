"""What every process does first: read the settings, log, and see that the database is what it expects."""

from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from publisher.database import connect
from publisher.errors import SettingsError
from publisher.migrations import newest_revision, revision_of
from publisher.settings import Settings, load_settings
from workers.log import configure_logging
from workers.running import read_running


def start(process: str) -> Settings:
    """Return the settings of a process, with logging configured.

    Raises:
        SettingsError: when a setting makes no sense.
    """
    settings = load_settings()
    configure_logging(settings.log_format, process=process)
    return settings


def settings_of(data: Path | None) -> Settings:
    """Return the settings of a command that talks to a system which runs already.

    A running `up` or `demo` is found by its data folder, unless URLs are set.

    Raises:
        SettingsError: when a setting makes no sense.
    """
    settings = load_settings(**({} if data is None else {"data": data}))
    if settings.database_url is None:
        return load_settings(**{**({} if data is None else {"data": data}), **read_running(settings.data)})
    return settings


def open_database(settings: Settings, *, application_name: str, pool_size: int = 5) -> Engine:
    """Return an engine on a database that is reachable and has this version's tables.

    Raises:
        SettingsError: when it is not.
    """
    engine = connect(settings.require("database_url"), application_name=application_name, pool_size=pool_size)
    try:
        with engine.connect() as connection:
            found = revision_of(connection)
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        raise SettingsError(f"PUBLISHER_DATABASE_URL: cannot be reached ({reason})") from error
    if found != newest_revision():
        raise SettingsError(
            f"PUBLISHER_DATABASE_URL: the database is at migration {found or 'none'}, expected"
            f" {newest_revision()}; run `publisher migrate`"
        )
    return engine
