"""What every process and command does first: read the settings, and log."""

from pathlib import Path

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
