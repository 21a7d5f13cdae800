"""`python -m benchmarks.transports.trials [--only NAME…] [--trials TRIAL…]`: what receivers can do to each.

Every trial runs in a process of its own, since some change the environment, and some end badly.
"""

import argparse
import asyncio
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from benchmarks.transports import hostile
from benchmarks.transports.authority import write_certificates
from benchmarks.transports.candidates import MODULES, Candidate, NotInstalled, Wanted, candidate, request
from benchmarks.transports.hostile import Behaviour, answering, receiver
from benchmarks.transports.receiver import tls_of
from benchmarks.transports.turn import exchange

_DEADLINE_S = 1.0
_ENDS_WITHIN_S = 40
_SPELLING = "/a%2fb%7ec//d/./e;f?q=%7E&&x=%20+"
_NO_CONTENT = answering(b"204 No Content")
Trial = Callable[[Candidate, Wanted], Awaitable[str]]


async def _told(
    one: Candidate,
    transport: httpx.AsyncBaseTransport,
    url: str,
    deadline_s: float = 5,
    own_deadline_s: float = 30,
) -> tuple[int | str, bytes]:
    """Return status and body, or the error in place of the status.

    Args:
        deadline_s: of asyncio, around everything.
        own_deadline_s: of each phase, as httpx's clients tell their transports.
    """
    asked = request(one, url, {"content-type": "application/json"}, b"{}", deadline_s=own_deadline_s)
    try:
        async with asyncio.timeout(deadline_s):
            return await exchange(transport, asked)
    except Exception as error:
        return type(error).__name__, b""


def refused(host: str) -> Trial:
    """Return a trial: is a forbidden address refused before anything is sent there?"""

    async def trial(one: Candidate, wanted: Wanted) -> str:
        transport = one.guarded(wanted)
        if transport is None:
            return "nowhere to refuse"
        with receiver(_NO_CONTENT) as seen:
            told, _ = await _told(one, transport, f"http://{host}:{seen.port}/")
            return f"connected: {told}" if seen.connections else f"refused ({told})"

    return trial


def ended(behaviour: Behaviour, scheme: str = "http") -> Trial:
    """Return a trial: does a deadline around everything end it, and is the connection gone then?"""

    async def trial(one: Candidate, wanted: Wanted) -> str:
        with receiver(behaviour) as seen:
            began = time.monotonic()
            url = f"{scheme}://127.0.0.1:{seen.port}/"
            told, _ = await _told(one, one.transport(wanted), url, _DEADLINE_S)
            took = time.monotonic() - began
            gone = await asyncio.to_thread(seen.gone.wait, 3)
            return f"{told} after {took:.1f} s, {'hung up' if gone else 'STILL CONNECTED'}"

    return trial


async def timed(one: Candidate, wanted: Wanted) -> str:
    """Be told 0.25 s a phase, and read a body byte by byte: only a deadline over all ends it."""
    with receiver(hostile.slow_body) as seen:
        began = time.monotonic()
        url = f"http://127.0.0.1:{seen.port}/"
        told, _ = await _told(one, one.transport(wanted), url, own_deadline_s=0.25)
        took = time.monotonic() - began
        gone = await asyncio.to_thread(seen.gone.wait, 3)
        return f"{told} after {took:.1f} s, {'hung up' if gone else 'STILL CONNECTED'}"


async def unconnectable(one: Candidate, wanted: Wanted) -> str:
    """Connect to who takes no connection: its queue is full."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/"
        began = time.monotonic()
        told, _ = await _told(one, one.transport(wanted), url, _DEADLINE_S)
        return f"{told} after {time.monotonic() - began:.1f} s"


async def cut(one: Candidate, wanted: Wanted) -> str:
    """Read 16 kB of a body without end."""
    with receiver(hostile.endless_body) as seen:
        began = _peak_mb()
        told, body = await _told(one, one.transport(wanted), f"http://127.0.0.1:{seen.port}/")
        gone = await asyncio.to_thread(seen.gone.wait, 3)
        end = "hung up" if gone and seen.sent < 1e9 else "READS ON"
        return (
            f"{told}, {len(body)} B kept, {seen.sent / 1e6:.1f} MB sent, {end}, +{_peak_mb() - began:.0f} MB"
        )


async def bombed(one: Candidate, wanted: Wanted) -> str:
    """Read 16 kB of a gzip bomb."""
    with receiver(hostile.bomb()) as seen:
        began = _peak_mb()
        told, body = await _told(one, one.transport(wanted), f"http://127.0.0.1:{seen.port}/")
        what = "as sent" if body.startswith(b"\x1f\x8b") else "DECOMPRESSED"
        return f"{told}, {what}, +{_peak_mb() - began:.0f} MB"


async def flooded(one: Candidate, wanted: Wanted) -> str:
    """Read headers without end."""
    with receiver(hostile.endless_head) as seen:
        began = _peak_mb()
        told, _ = await _told(one, one.transport(wanted), f"http://127.0.0.1:{seen.port}/", 5)
        return f"{told} after {seen.sent / 1e6:.1f} MB, +{_peak_mb() - began:.0f} MB"


async def spelled(one: Candidate, wanted: Wanted) -> str:
    """Send to a URL that can be spelled otherwise."""
    with receiver(_NO_CONTENT) as seen:
        await _told(one, one.transport(wanted), f"http://127.0.0.1:{seen.port}{_SPELLING}")
        return "kept" if seen.targets == [_SPELLING] else f"CHANGED to {seen.targets}"


async def redirected(one: Candidate, wanted: Wanted) -> str:
    """Be sent elsewhere."""
    with receiver(answering(b"302 Found\r\nlocation: /elsewhere")) as seen:
        await _told(one, one.plain(), f"http://127.0.0.1:{seen.port}/")
        plain = len(seen.targets)
        await _told(one, one.transport(wanted), f"http://127.0.0.1:{seen.port}/")
        safe = len(seen.targets) - plain
        return _both(*("stays" if asked == 1 else "FOLLOWS" for asked in (plain, safe)))


async def proxied(one: Candidate, wanted: Wanted) -> str:
    """Find a proxy in the environment."""
    with receiver(_NO_CONTENT) as proxy, receiver(_NO_CONTENT) as seen:
        os.environ.update(dict.fromkeys(("http_proxy", "HTTP_PROXY"), f"http://127.0.0.1:{proxy.port}"))
        url = f"http://127.0.0.1:{seen.port}/"
        await _told(one, one.plain(), url)
        plain = proxy.connections
        await _told(one, one.transport(wanted), url)
        safe = proxy.connections - plain
        return _both(*("USES IT" if asked else "ignores it" for asked in (plain, safe)))


async def sweetened(one: Candidate, wanted: Wanted) -> str:
    """Be given a cookie, and come again."""
    kept = []
    with receiver(answering(b"204 No Content\r\nset-cookie: a=b; path=/")) as seen:
        for transport in (one.plain(), one.transport(wanted)):
            for _ in range(2):
                await _told(one, transport, f"http://127.0.0.1:{seen.port}/")
            kept.append("SENDS IT" if b"\r\ncookie:" in seen.heads[-1].lower() else "forgets")
    return f"by default {kept[0]}, as made {kept[1]}"


async def trusting(one: Candidate, wanted: Wanted) -> str:
    """Find an authority in SSL_CERT_FILE; and check that without it the certificate is refused."""
    with receiver(_NO_CONTENT, tls_of(str(wanted.authority.with_name("server.pem")))) as seen:
        url = f"https://localhost:{seen.port}/"
        made, _ = await _told(one, one.transport(wanted), url)
        without, _ = await _told(one, one.plain(), url)
        os.environ["SSL_CERT_FILE"] = str(wanted.authority)
        with_it, _ = await _told(one, one.plain(), url)
        obeyed = "obeyed" if with_it == 204 else "IGNORED"
        return f"given: {made}; unknown: {without}; SSL_CERT_FILE: {obeyed}"


TRIALS: Mapping[str, Trial] = {
    "a literal": refused("127.0.0.1"),
    "a name": refused("localhost"),
    "no connection": unconnectable,
    "no handshake": ended(hostile.silent, "https"),
    "no answer": ended(hostile.silent),
    "slow headers": ended(hostile.slow_head),
    "slow body": ended(hostile.slow_body),
    "its own deadline": timed,
    "endless body": cut,
    "endless headers": flooded,
    "gzip bomb": bombed,
    "spelling": spelled,
    "redirect": redirected,
    "proxy": proxied,
    "cookie": sweetened,
    "authority": trusting,
}


def main(arguments: Sequence[str]) -> None:
    """Try all, and print what came of each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transports.trials")
    known = [name for name in MODULES if name != "bare"]
    parser.add_argument("--only", nargs="+", choices=known, default=known, metavar="NAME")
    parser.add_argument("--trials", nargs="+", choices=TRIALS, default=list(TRIALS), metavar="TRIAL")
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.here:
        print(_tried(options.only[0], options.trials[0], options.here), flush=True)
        return
    with tempfile.TemporaryDirectory(prefix="trials-") as folder:
        write_certificates(Path(folder), ["127.0.0.1"])
        for trial in options.trials:
            print(f"\n{trial}")
            for name in options.only:
                print(f"  {name:24} {_apart(name, trial, folder)}", flush=True)


def _apart(name: str, trial: str, folder: str) -> str:
    argv = ["--only", name, "--trials", trial, "--here", folder]
    whole = [sys.executable, "-m", "benchmarks.transports.trials", *argv]
    try:
        said = subprocess.run(whole, capture_output=True, text=True, timeout=_ENDS_WITHIN_S, check=False)
    except subprocess.TimeoutExpired as late:
        return f"{(late.stdout or b'').decode().strip()} THE PROCESS DID NOT END".strip()
    return said.stdout.strip() or f"ended with {said.returncode}: {said.stderr.strip()[-200:]}"


def _tried(name: str, trial: str, folder: Path) -> str:
    wanted = Wanted(connections=10, authority=folder / "authority.pem")
    try:
        return asyncio.run(TRIALS[trial](candidate(name), wanted))
    except NotInstalled as missing:
        return str(missing)


def _both(plain: str, made: str) -> str:
    return f"by default {plain}, as made {made}"


def _peak_mb() -> float:
    peak: Any = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    main(sys.argv[1:])
