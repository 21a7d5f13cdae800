"""`feed create`, `feed list`, `feed rotate`, `feed revoke`: feeds for one reader each."""

from typing import Annotated, Any
from uuid import UUID

import typer

from feeds.catalog import private_urls
from publisher.notify.fan_out.message import instant
from publisher.private_feeds import (
    PrivateFeed,
    create_private_feed,
    newest_private_feeds,
    revoke_private_feed,
    rotate_token,
)
from workers.commands.database import id_of, opened
from workers.commands.options import AsJson, Data
from workers.commands.output import print_json, print_line, print_table
from workers.commands.starting import settings_of

feed = typer.Typer(name="feed", help="Make, list, rotate and revoke private feeds.", no_args_is_help=True)
_PAGE = 1_000
_Id = Annotated[str, typer.Argument(metavar="ID", help="As `feed list` shows it.")]


@feed.command()
def create(
    *,
    name: Annotated[str, typer.Option(help="Whose feed it is, for people.")],
    shows: Annotated[
        str, typer.Option("--feed", metavar="FEED", help="`all`, or as `category/xa-hoi`.")
    ] = "all",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make a private feed, and print its addresses: they are shown only now."""
    settings = settings_of(data)
    with opened(settings) as sessions, sessions.begin() as session:
        made, token = create_private_feed(session, name=name, feed=shows)
    _print_new(made, private_urls(settings.base_url, token), as_json=as_json)


@feed.command("list")
def list_all(*, data: Data = None, as_json: AsJson = False) -> None:
    """Show every private feed, the newest first; their tokens are stored nowhere."""
    with opened(settings_of(data)) as sessions, sessions() as session:
        found: list[PrivateFeed] = []
        before: UUID | None = None
        while page := newest_private_feeds(session, limit=_PAGE, before=before):
            found += page
            before = page[-1].id
    shown = [_shown(one) for one in found]
    if as_json:
        print_json(shown)
    else:
        print_table(
            ["id", "name", "feed", "created", "rotated", "revoked"], ([*one.values()] for one in shown)
        )


@feed.command()
def rotate(identifier: _Id, *, data: Data = None, as_json: AsJson = False) -> None:
    """Replace the token, at once, and print the new addresses."""
    feed_id, settings = id_of(identifier, "ID"), settings_of(data)
    with opened(settings) as sessions, sessions.begin() as session:
        rotated, token = rotate_token(session, feed_id)
    _print_new(rotated, private_urls(settings.base_url, token), as_json=as_json)


@feed.command()
def revoke(identifier: _Id, *, data: Data = None, as_json: AsJson = False) -> None:
    """Make the token void, at once."""
    feed_id = id_of(identifier, "ID")
    with opened(settings_of(data)) as sessions, sessions.begin() as session:
        revoked = revoke_private_feed(session, feed_id)
    if as_json:
        print_json(_shown(revoked))
    else:
        print_line(f"revoked {revoked.id}")


def _print_new(made: PrivateFeed, urls: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        print_json({**_shown(made), "urls": urls})
        return
    for url in urls.values():
        print_line(url)


def _shown(one: PrivateFeed) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "name": one.name,
        "feed": one.feed,
        "created_at": instant(one.created_at),
        "rotated_at": instant(one.rotated_at) if one.rotated_at else None,
        "revoked_at": instant(one.revoked_at) if one.revoked_at else None,
    }
