"""`expunge`: forget what was sent of a retracted article, and what receivers answered."""

from typing import Annotated

import typer
from sqlalchemy import func, select

from publisher.notify.history.expunge import UNDER_WAY, Remaining, remaining
from publisher.notify.history.expunge import expunge as forget
from publisher.schema import DeliveryRow
from workers.commands.database import id_of, opened
from workers.commands.options import AsJson, Data
from workers.commands.output import complain, print_json, print_line
from workers.commands.progress import progress
from workers.commands.starting import settings_of


def expunge(
    article: Annotated[str, typer.Argument(metavar="ARTICLE", help="The id or the uri of the article.")],
    *,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Forget what was sent of a retracted article, and what receivers answered to it."""
    identifier, messages, attempts = id_of(article, "ARTICLE"), 0, 0
    with opened(settings_of(data)) as sessions:
        with sessions() as session:
            deliveries = select(func.count()).where(DeliveryRow.article_id == identifier)
            total = session.scalar(deliveries)
        with progress("expunging", total) as advance:
            for done in forget(sessions, identifier):
                messages += done.messages
                attempts += done.attempts
                advance(done.deliveries)
        with sessions() as session:
            left = _explained(remaining(session, identifier))
    if as_json:
        print_json({"id": str(identifier), "messages": messages, "attempts": attempts, "left": left})
    else:
        print_line(
            f"expunged {identifier}: the bodies of {messages} messages, the answers to {attempts} attempts"
        )
    for why in left:
        complain(f"left for the next time: {why}")
    if left:
        raise typer.Exit(1)


def _explained(what: Remaining) -> list[str]:
    """Return a line for each thing that is left."""
    found = {
        "its takedown is not told to subscribers yet: a worker has to run, and nothing be stuck": what.untold,
        f"{what.notices} notices of its takedown are to be sent, or held: "
        "their endpoints have to take them, be replayed to, or be deleted": what.notices,
        f"it was retracted less than {UNDER_WAY.total_seconds():g} s ago: "
        "what was being sent then may still be recorded": what.under_way,
    }
    return [why for why, is_so in found.items() if is_so]
