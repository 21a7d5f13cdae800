"""`secret reencrypt`: what is stored gets from an old secret key to the new one."""

import random
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from publisher.database import Sessions
from publisher.encrypted import EVERYTHING
from publisher.notify.secrets.box import SecretBox
from publisher.reencryption import Tally, count_all, look_through, reencrypt_all
from workers.commands.database import opened
from workers.commands.options import AsJson, Data
from workers.commands.output import complain, print_json, print_table
from workers.commands.progress import progress
from workers.commands.starting import settings_of

secret = typer.Typer(
    name="secret", help="Encrypt stored secrets with another secret key.", no_args_is_help=True
)
_PAUSE_S = 0.3
# Once to do it, and once to see that nothing is left.
_PASSES = 2


# Without a callback, the only command of a group becomes the group itself.
@secret.callback()
def _group() -> None:
    pass


@secret.command()
def reencrypt(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show which keys are needed, change nothing.")
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Encrypt with the secret key what takes an old one still; nobody who works meanwhile waits for it."""
    settings = settings_of(data)
    box = SecretBox.of(settings)
    with opened(settings) as sessions:
        if dry_run:
            with sessions() as session:
                found = look_through(session, box, EVERYTHING)
        else:
            found = _reencrypt(sessions, box)
    _show(found, as_json=as_json)
    if any(one.old or one.unknown for one in found.values()):
        raise typer.Exit(1)


def _reencrypt(sessions: Sessions, box: SecretBox) -> Mapping[str, Tally]:
    with sessions() as session:
        rows = count_all(session)
    with progress("encrypting", _PASSES * rows) as advance:
        return reencrypt_all(sessions, box, wait=_wait, tell=advance)


def _wait() -> None:
    time.sleep(random.uniform(_PAUSE_S / 2, _PAUSE_S))


def _show(found: Mapping[str, Tally], *, as_json: bool) -> None:
    total = sum(found.values(), Tally())
    if as_json:
        print_json({**_as_json(total), "tables": {name: _as_json(one) for name, one in found.items()}})
    else:
        rows = {**found, "all": total}
        print_table(
            ["table", *_as_json(total)], ([name, *_as_json(one).values()] for name, one in rows.items())
        )
    if total.old:
        complain(f"{total.old} still need one of PUBLISHER_OLD_SECRET_KEYS: keep it")
    for name, one in found.items():
        if one.unknown:
            complain(f"{name}: {one.unknown} can be read with no key; of {', '.join(map(str, one.named))}")


def _as_json(tally: Tally) -> dict[str, Any]:
    members = asdict(tally)
    del members["named"]
    return members
