"""Which transports are compared, what has to be installed for each, and what each module offers."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from ipaddress import ip_network
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

import httpx

from publisher.notify.wire.targets import target_of
from publisher.notify.wire.transport import TARGET

LOOPBACK = (ip_network("127.0.0.0/8"),)
CONNECTIONS_IDLE = 1024
IDLE_PER_HOST = 2
IDLE_S = 4
EXACT_URL = "exact_url"
"""The extension with the URL as it was written; ours finds that in `TARGET`."""

MODULES: Mapping[str, str] = {
    "bare": "bare",
    "ours": "ours",
    "ours on aiofastnet": "over_fastnet",
    "aiohttp": "over_aiohttp_connector",
    "httpx-aiohttp": "over_aiohttp",
    "httpx-aiohttp on httpx2": "over_aiohttp2",
    "httpx": "over_httpcore",
    "httpx2": "over_httpcore2",
    "aiosonic": "over_aiosonic",
    "pyreqwest": "over_pyreqwest",
    "pyqwest": "over_pyqwest",
    "httpx-curl-cffi": "over_curl",
}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a transport has to be like.

    Attributes:
        connections: at once.
        authority: a file with the certificate of the authority to trust.
    """

    connections: int
    authority: Path


class Candidate(Protocol):
    """What makes a transport: a module, or its `CANDIDATE`."""

    API: ModuleType
    """httpx or httpx2: whose requests the transport takes."""

    def transport(self, wanted: Wanted) -> httpx.AsyncBaseTransport:
        """Return it as safe as it can be made: no proxy, redirect, cookie or decompression."""
        ...

    def plain(self) -> httpx.AsyncBaseTransport:
        """Return it as it is made without any argument."""
        ...

    def guarded(self, wanted: Wanted) -> httpx.AsyncBaseTransport | None:
        """Return one that refuses every address of 127/8 where it connects; None: there is no such place."""
        ...


class NotInstalled(Exception):
    """A candidate cannot be tried here; the message says what is missing."""


def candidate(name: str) -> Candidate:
    """Return a candidate.

    Raises:
        NotInstalled: when a package that it needs is missing.
    """
    try:
        module = import_module(f"benchmarks.transports.{MODULES[name]}")
    except ModuleNotFoundError as error:
        raise NotInstalled(f"{name}: left out, {error.name} is not installed") from error
    return cast("Candidate", getattr(module, "CANDIDATE", module))


def request(one: Candidate, url: str, headers: Mapping[str, str], body: bytes, *, deadline_s: float) -> Any:
    """Return a POST as httpx's clients hand it to their transports."""
    phases = dict.fromkeys(("connect", "read", "write", "pool"), deadline_s)
    return one.API.Request(
        "POST",
        url,
        headers={**headers, "accept-encoding": "identity"},
        content=body,
        extensions={"timeout": phases, EXACT_URL: url, TARGET: target_of(url)},
    )
