"""Ours on aiofastnet, aio-libs' transports for asyncio and uvloop, in place of the loop's own."""

import asyncio

import aiofastnet
import httpx

from benchmarks.transports import ours
from benchmarks.transports.candidates import Wanted

API = httpx


def transport(wanted: Wanted) -> httpx.AsyncBaseTransport:
    """Return it with loopback allowed; the running loop connects through aiofastnet from now on."""
    aiofastnet.patch_loop(asyncio.get_running_loop())
    return ours.transport(wanted)


def plain() -> httpx.AsyncBaseTransport:
    """Return it with the authorities that the client trusts by default."""
    aiofastnet.patch_loop(asyncio.get_running_loop())
    return ours.plain()


def guarded(wanted: Wanted) -> httpx.AsyncBaseTransport:
    """Return it with nothing but public addresses allowed."""
    aiofastnet.patch_loop(asyncio.get_running_loop())
    return ours.guarded(wanted)
