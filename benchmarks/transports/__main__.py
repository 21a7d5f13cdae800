"""`python -m benchmarks.transports [--only NAME…] [--cases CASE…] [--in-flight N…] [--rounds N]`."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.transports.authority import write_certificates
from benchmarks.transports.candidates import MODULES, NotInstalled, candidate
from benchmarks.transports.receiver import listening_socket

_SECONDS = 3.0
"""How long a turn may last: the slowest transport would take minutes, and gets slower with every host."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """What the receivers are like; each host is sent as many requests as it takes to come to `requests`."""

    hosts: int
    requests: int = 5000
    receivers: str = "close"
    tls: bool = False


CASES: Mapping[str, Case] = {
    "fresh": Case(hosts=5000),
    "kept": Case(hosts=5000, receivers="keep"),
    "reused": Case(hosts=250, receivers="keep"),
    "tls": Case(hosts=100, requests=2500, tls=True),
    "tls reused": Case(hosts=100, receivers="keep", tls=True),
}


def main(arguments: Sequence[str]) -> None:
    """Give every candidate its turns, and print what came of them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transports")
    parser.add_argument("--only", nargs="+", choices=MODULES, default=list(MODULES), metavar="NAME")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    parser.add_argument("--in-flight", nargs="+", type=int, default=[100, 200, 500], metavar="N")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    names = list(_installed(options.only))
    with tempfile.TemporaryDirectory(prefix="transports-") as folder:
        for case in options.cases:
            for in_flight in options.in_flight:
                turns = _turns(CASES[case], names, in_flight, options.rounds, Path(folder))
                Console(width=130).print(_table(f"{case}, {in_flight} in flight", turns))


def _installed(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        try:
            candidate(name)
        except NotInstalled as missing:
            print(missing, file=sys.stderr)
        else:
            yield name


def _turns(
    case: Case, names: Sequence[str], in_flight: int, rounds: int, folder: Path
) -> Mapping[str, list[dict[str, Any]]]:
    """Return what came of each candidate's turns: A, B, C, A, B, C …"""
    hosts = [f"127.{1 + (host >> 16)}.{host >> 8 & 255}.{host & 255}" for host in range(case.hosts)]
    authority = write_certificates(folder, hosts if case.tls else [])
    turns: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with _receivers(case, folder / "server.pem" if case.tls else None) as (process, address):
        urls = [address.format(hosts[number % case.hosts]) for number in range(case.requests)]
        job = {"urls": urls, "in_flight": in_flight, "seconds": _SECONDS, "authority": str(authority)}
        for _ in range(rounds):
            for name in names:
                turns[name].append(_turn({**job, "name": name}, folder, process))
    return turns


@contextmanager
def _receivers(case: Case, certificate: Path | None) -> Iterator[tuple[psutil.Process, str]]:
    with listening_socket() as listener:
        argv = [str(listener.fileno()), case.receivers, *([str(certificate)] if certificate else [])]
        process = psutil.Popen(
            [sys.executable, "-m", "benchmarks.transports.receiver", *argv],
            pass_fds=[listener.fileno()],
            stdout=subprocess.PIPE,
            text=True,
        )
        scheme = "https" if certificate else "http"
        try:
            assert process.stdout.readline() == "serving\n"
            yield process, f"{scheme}://{{}}:{listener.getsockname()[1]}/webhook"
        finally:
            process.kill()
            process.wait()


def _turn(job: Mapping[str, Any], folder: Path, receivers: psutil.Process) -> dict[str, Any]:
    written = folder / "job.json"
    written.write_text(json.dumps(job), "utf-8")
    before = sum(receivers.cpu_times()[:2])
    argv = [sys.executable, "-m", "benchmarks.transports.turn", str(written)]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    theirs = sum(receivers.cpu_times()[:2]) - before
    if said.returncode:
        told = said.stderr.strip().rpartition("\n")[2] or f"ended with {said.returncode}"
        return {"told": {told: 1}, "seconds": _SECONDS, "processor_s": 0, "grown_mb": 0, "theirs_s": theirs}
    return {**json.loads(said.stdout.splitlines()[-1]), "theirs_s": theirs}


def _table(title: str, turns: Mapping[str, list[dict[str, Any]]]) -> Table:
    """Return a row a candidate; what a processor could send is counted by the time that it was used for."""
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1), title_justify="left")
    names = (
        "transport",
        "min",
        "median",
        "max",
        "ms CPU",
        "min ms",
        "a CPU",
        "of ours",
        "their ms",
        "MB",
        "not 204",
    )
    for name in names:
        table.add_column(name, justify="left" if name in ("transport", "not 204") else "right")
    ours = _median_ms(turns["ours"], "processor_s") if "ours" in turns else None
    for name, taken in turns.items():
        rates = [_rate(turn) for turn in taken]
        each_ms = _median_ms(taken, "processor_s")
        table.add_row(
            name,
            *(f"{rate:,.0f}" for rate in (min(rates), median(rates), max(rates))),
            f"{each_ms:.3f}",
            f"{min(_each_ms(turn, 'processor_s') for turn in taken):.3f}",
            f"{1000 / each_ms:,.0f}" if each_ms else "",
            f"{ours / each_ms:.2f}" if ours and each_ms else "",
            f"{_median_ms(taken, 'theirs_s'):.3f}",
            f"{max(turn['grown_mb'] for turn in taken):.0f}",
            _failures(taken),
        )
    return table


def _failures(taken: Sequence[Mapping[str, Any]]) -> str:
    told = {f"{count} {what}" for turn in taken for what, count in turn["told"].items() if what != "204"}
    return ", ".join(sorted(told))[:60]


def _rate(turn: Mapping[str, Any]) -> float:
    """Return requests that were answered, a second."""
    return float(turn["told"].get("204", 0) / turn["seconds"])


def _median_ms(taken: Sequence[Mapping[str, Any]], used: str) -> float:
    return median(_each_ms(turn, used) for turn in taken)


def _each_ms(turn: Mapping[str, Any], used: str) -> float:
    return float(turn[used] * 1000 / max(1, sum(turn["told"].values())))


if __name__ == "__main__":
    main(sys.argv[1:])
