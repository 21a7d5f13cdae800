"""`key create`, `key list`, `key revoke`: who may use the API, and for what."""

from typing import Annotated, Any

import typer

from publisher.access import ApiKey, Scope, create_key, list_keys, revoke_key
from publisher.notify.fan_out.message import instant
from workers.commands.database import id_of, opened
from workers.commands.options import AsJson, Data
from workers.commands.output import print_json, print_line, print_table
from workers.commands.starting import settings_of

key = typer.Typer(name="key", help="Make, list and revoke API keys.", no_args_is_help=True)
_SCOPES = ", ".join(Scope)


@key.command()
def create(
    further: Annotated[list[str] | None, typer.Argument(metavar="[SCOPE]…", hidden=True)] = None,
    *,
    name: Annotated[str, typer.Option(help="Whose key it is, for people.")],
    scope: Annotated[list[str], typer.Option(metavar="SCOPE…", help=f"What it may do: {_SCOPES}.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make a key, and print it: it is shown only now."""
    scopes = [one for given in (*scope, *(further or ())) for one in given.replace(",", " ").split()]
    with opened(settings_of(data)) as sessions, sessions.begin() as session:
        made, plain = create_key(session, name=name, scopes=scopes)
    if as_json:
        print_json({**_shown(made), "key": plain})
    else:
        print_line(plain)


@key.command("list")
def list_all(*, data: Data = None, as_json: AsJson = False) -> None:
    """Show every key, the newest first; the keys themselves are stored nowhere."""
    with opened(settings_of(data)) as sessions, sessions() as session:
        shown = [_shown(one) for one in list_keys(session)]
    if as_json:
        print_json(shown)
    else:
        columns = ["id", "name", "scopes", "created", "revoked"]
        print_table(columns, ([*{**one, "scopes": ", ".join(one["scopes"])}.values()] for one in shown))


@key.command()
def revoke(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="As `key list` shows it.")],
    *,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make a key void, within a second."""
    key_id = id_of(identifier, "ID")
    with opened(settings_of(data)) as sessions, sessions.begin() as session:
        revoked = revoke_key(session, key_id)
    if as_json:
        print_json(_shown(revoked))
    else:
        print_line(f"revoked {revoked.id}")


def _shown(one: ApiKey) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "name": one.name,
        "scopes": sorted(scope.value for scope in one.scopes),
        "created_at": instant(one.created_at),
        "revoked_at": instant(one.revoked_at) if one.revoked_at else None,
    }
