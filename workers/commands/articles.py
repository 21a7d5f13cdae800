"""`ingest` and `retract`: articles in, and taken down again."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import structlog
import typer
from sqlalchemy.orm import Session

from publisher.api.problems import bug, problem_of
from publisher.api.together import store_together
from publisher.database import Sessions
from publisher.errors import InvalidInput, PublisherError
from publisher.ingest.record import Recorded, record_all
from publisher.ingest.submission import Submission
from publisher.retract import retract as take_down
from publisher.settings import load_settings
from publisher.text import clean_line
from workers.commands.database import id_of, opened
from workers.commands.options import AsJson, Data
from workers.commands.output import complain, print_json, print_line
from workers.commands.starting import settings_of
from workers.documents import Reading, article_json
from workers.files import Piece, read_files

_TOGETHER = 100
_LONGEST_REASON = 500
log = structlog.get_logger("publisher.ingest")


def ingest(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH…", help="Files of JSON, NDJSON, HTML or text; - is stdin.")
    ],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the fields found, store nothing.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Send articles in."""
    settings = load_settings() if dry_run else settings_of(data)
    pieces = read_files(paths, Reading(zone=settings.zone, limit=settings.max_body_bytes))
    if dry_run:
        good = [_show(piece, settings.zone, as_json=as_json) for piece in pieces]
    else:
        with opened(settings) as sessions:
            stored = _store(pieces, sessions, tag_domain=settings.ids_domain)
            good = [_report(piece, result, as_json=as_json) for piece, result in stored]
    if not all(good):
        raise typer.Exit(2)


def retract(
    article: Annotated[str, typer.Argument(metavar="ID", help="The id or the uri of the article.")],
    *,
    reason: Annotated[str, typer.Option(help="Told to subscribers.")] = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Take an article down: readers lose it at once."""
    identifier = id_of(article, "ID")
    reason = clean_line(reason)
    if len(reason) > _LONGEST_REASON:
        raise InvalidInput.of("/reason", f"expected at most {_LONGEST_REASON} characters")
    with opened(settings_of(data)) as sessions, sessions.begin() as session:
        take_down(session, identifier, reason=reason or None)
    if as_json:
        print_json({"id": str(identifier), "status": "retracted"})
    else:
        print_line(f"retracted {identifier}")


def _store(
    pieces: Iterator[Piece], sessions: Sessions, *, tag_domain: str
) -> Iterator[tuple[Piece, Recorded | Exception]]:
    """Store as many in a transaction as make it worth while; yield what became of each, in order."""

    def record(session: Session, some: Sequence[Submission]) -> list[Recorded | PublisherError]:
        return record_all(session, some, tag_domain=tag_domain)

    while several := list(islice(pieces, _TOGETHER)):
        found = [piece.document.found for piece in several]
        good = [one for one in found if isinstance(one, Submission)]
        stored = iter(store_together(sessions, good, record) if good else ())
        results = [next(stored) if isinstance(one, Submission) else one for one in found]
        yield from zip(several, results, strict=True)


def _report(piece: Piece, result: Recorded | Exception, *, as_json: bool) -> bool:
    if not isinstance(result, Recorded):
        return _refuse(piece, result, as_json=as_json)
    if as_json:
        print_json(
            {
                **_place(piece),
                "outcome": result.outcome,
                "id": str(result.article_id),
                "uri": result.uri,
                "sequence": result.sequence,
            }
        )
    else:
        print_line(f"{result.outcome} {result.article_id} {piece.place}")
    return True


def _show(piece: Piece, zone: ZoneInfo, *, as_json: bool) -> bool:
    found = piece.document.found
    if isinstance(found, PublisherError):
        return _refuse(piece, found, as_json=as_json)
    fields = article_json(found, zone=zone)
    if as_json:
        print_json(fields)
    else:
        for name, value in fields.items():
            print_line(f"{name}: {_listed(value)}")
    for warning in found.warnings:
        complain(f"{piece.place}: {warning}")
    return True


def _refuse(piece: Piece, error: Exception, *, as_json: bool) -> bool:
    problem = problem_of(error)
    if problem is None:
        log.error("ingest.failed", path=piece.path, line=piece.document.line, exc_info=error)
        problem = bug()
    if as_json:
        print_json({**_place(piece), "error": problem.as_json()})
    complain(f"{piece.place}: {error if isinstance(error, PublisherError) else problem.detail}")
    return False


def _place(piece: Piece) -> dict[str, Any]:
    return {"path": piece.path, "line": piece.document.line}


def _listed(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(_listed(one) for one in value)
    return " · ".join(str(one) for one in value.values()) if isinstance(value, dict) else str(value)
