"""`demo`: `up`, with articles and a subscriber."""

import logging
import sys
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from publisher.settings import Settings
from workers.commands.options import AsJson
from workers.commands.output import print_json
from workers.commands.starting import start
from workers.commands.up import Folder, Port
from workers.demo.client import DemoClient, demo_key
from workers.demo.farewell import addresses, print_addresses, print_invitation, print_result
from workers.demo.folder import demo_folder
from workers.demo.picture import save_picture
from workers.demo.report import Report
from workers.demo.samples import read_samples
from workers.demo.screen import demo_console, opened_screen, print_plainly
from workers.demo.show import Show
from workers.demo.subscriber import Subscriber, subscribed
from workers.documents import Reading
from workers.machine import Machine, Plan, start_machine
from workers.stopping import until_stopped

_PROCESSES = 2
_STOPS_WITHIN = timedelta(seconds=2)
_LOOPBACK = "127.0.0.0/8"


def demo(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE]…", help="Your own articles; default: examples/.")
    ] = None,
    *,
    once: Annotated[bool, typer.Option("--once", help="End by itself, on a fresh data folder.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="With --once: on the data that is there.")] = False,
    data: Folder = None,
    port: Port = None,
    svg: Annotated[Path | None, typer.Option(help="Also write the last screen as a picture.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run everything, with articles that you can watch and a subscriber that verifies."""
    settings = start("demo")
    samples = read_samples(files or (), Reading(zone=settings.zone, limit=settings.max_body_bytes))
    console = demo_console(quiet=as_json)
    result: Report | None = None
    with ExitStack() as held, until_stopped():
        folder = demo_folder(data or settings.data, fresh=once and not keep, held=held)
        _log_into(folder / "logs", held)
        subscriber = held.enter_context(subscribed())
        machine = start_machine(_plan(folder, port, settings), held, tell=partial(print_plainly, console))
        key = held.enter_context(demo_key(machine.sessions))
        client = held.enter_context(DemoClient.of(machine.url, key, settings.zone))
        show = Show(machine, client, subscriber, samples)
        with opened_screen(console) as screen:
            result = show.run(screen)
        print_result(console, show.journeys, result)
        if svg is not None:
            save_picture(svg, show.journeys, result, url=machine.url)
        if as_json:
            print_json(result.as_json() if once else {**result.as_json(), "url": machine.url, "key": key})
        if not once:
            print_addresses(console, addresses(machine.url))
            print_invitation(console, machine.url, key)
            _stay(machine, subscriber, console)
    if (once and result is None) or (result is not None and not result.complete):
        raise typer.Exit(1)


def _plan(folder: Path, port: int | None, settings: Settings) -> Plan:
    networks = [*map(str, settings.allowed_networks), _LOOPBACK]
    # Only the processes of this demo may send to the subscriber on this machine.
    overrides = {"allowed_networks": ",".join(networks), "allow_http": "true"}
    return Plan(
        data=folder, port=port, concurrency=_PROCESSES, stops_within=_STOPS_WITHIN, overrides=overrides
    )


def _stay(machine: Machine, subscriber: Subscriber, console: Console) -> None:
    """Tend the machine until somebody ends the demo; tell of every webhook that still comes."""
    told = len(subscriber.received)
    while True:
        machine.tend()
        for webhook in subscriber.received[told:]:
            told += 1
            checked = "verified" if webhook.verified else "NOT VERIFIED"
            print_plainly(
                console, f"webhook {webhook.type}, {checked}: {webhook.title or webhook.article_id}"
            )


def _log_into(folder: Path, held: ExitStack) -> None:
    """Keep what this process logs from the screen."""
    folder.mkdir(exist_ok=True)
    stream = held.enter_context((folder / "demo.log").open("a", encoding="utf-8"))
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(stream)
            held.callback(handler.setStream, sys.stderr)
