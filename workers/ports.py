"""Which port the web process of this machine gets, and whether it is free."""

import errno
import socket
import sys
from contextlib import ExitStack
from typing import Any

from publisher.errors import SettingsError

HOST = "127.0.0.1"
USUAL_PORT = 8000


def choose_port(wanted: int | None, held: ExitStack) -> int:
    """Return the port that was asked for, else the usual one, else a free one.

    Args:
        held: keeps others that start at the same moment from choosing it as well, until it ends.

    Raises:
        SettingsError: when the port that was asked for cannot be had.
    """
    if wanted is not None:
        problem = _problem(wanted, held)
        if problem:
            raise SettingsError(f"--port: {wanted} {problem}, expected a free port")
        return wanted
    if not _problem(USUAL_PORT, held):
        return USUAL_PORT
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def refuse_port(host: str, port: int) -> None:
    """See that nobody listens where a server is about to.

    Raises:
        SettingsError: when somebody does, or it is no address of this machine.
    """
    for family, address in _addresses(host, port):
        if problem := _bound(family, address):
            of = address[0] if host in ("", address[0]) else f"{host} ({address[0]})"
            raise SettingsError(f"--port: {port} of {of} {problem}, expected a free port of this machine")


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[Any, ...]]]:
    """Return all that a server of this host listens on; without a host, every address of this machine."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise SettingsError(f"--host: {host} is no address ({error.strerror})") from error
    except UnicodeError as error:
        raise SettingsError(
            f"--host: {host} is no address, expected 1 to 63 characters between dots"
        ) from error
    return [(family, address) for family, _, _, _, address in found]


def _problem(port: int, held: ExitStack) -> str | None:
    if problem := _bound(socket.AF_INET, (HOST, port)):
        return problem
    return None if _claim(port, held) else "is taken"


def _bound(family: socket.AddressFamily, address: tuple[Any, ...]) -> str | None:
    try:
        probe = socket.socket(family)
    except OSError:
        return None  # a kernel without IPv6: the server does without, too
    with probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.bind(address)
        except OSError as error:
            return "is taken" if error.errno == errno.EADDRINUSE else f"is not for us ({error.strerror})"
    return None


def _claim(port: int, held: ExitStack) -> bool:
    # The web process binds the port only a second from now. A name that no file stands for, and that ends
    # with its process, tells those who start meanwhile.
    if sys.platform != "linux":
        return True
    claim = held.enter_context(socket.socket(socket.AF_UNIX))
    try:
        claim.bind(f"\0publisher-port-{port}")
    except OSError:
        return False
    return True
