"""Where the processes of one machine answer scrapes, when they all run under one command."""

from publisher.errors import SettingsError
from publisher.settings import PREFIX

PROCESSES = ("web", "relay", "worker", "sender")
"""In the order in which they take ports, from PUBLISHER_METRICS_PORT on."""

_HIGHEST = 65535 - len(PROCESSES) + 1


def metrics_ports(first: int | None, *, web_port: int) -> dict[str, int]:
    """Return the port of each process; nothing when no metrics are wanted.

    Args:
        web_port: where the API listens.

    Raises:
        SettingsError: when they do not fit, or the API is among them.
    """
    if first is None:
        return {}
    ports = dict(zip(PROCESSES, range(first, first + len(PROCESSES)), strict=True))
    if first > _HIGHEST or web_port in ports.values():
        raise SettingsError(
            f"{PREFIX}METRICS_PORT: {', '.join(PROCESSES)} take one port each from {first} on;"
            f" expected at most {_HIGHEST}, and none of them to be {web_port}, the API's"
        )
    return ports
