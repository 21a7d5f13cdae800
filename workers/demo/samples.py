"""The articles that the demo sends in: the files that it was given, else those of `examples/`."""

from collections.abc import Sequence
from pathlib import Path

from publisher.errors import FieldProblem, InvalidInput, SettingsError
from publisher.ingest.submission import Submission
from workers.documents import Reading
from workers.files import Piece, read_files

EXAMPLES = Path(__file__).parents[2] / "examples"
_ENDINGS = {".txt", ".html", ".json", ".ndjson"}


def read_samples(files: Sequence[str], reading: Reading, *, examples: Path = EXAMPLES) -> list[Submission]:
    """Return the articles, in order.

    Raises:
        InvalidInput: when a file cannot be read, or is no article; each is named.
        SettingsError: when no file was given, and there are no examples.
    """
    pieces = list(read_files(files or _examples(examples), reading))
    problems = [_problem(piece) for piece in pieces if not isinstance(piece.document.found, Submission)]
    if problems:
        raise InvalidInput(problems)
    if not pieces:
        raise InvalidInput.of("/FILE", "expected an article, found none")
    return [one.document.found for one in pieces if isinstance(one.document.found, Submission)]


def _examples(folder: Path) -> list[str]:
    found = sorted(str(path) for path in folder.glob("*") if path.suffix in _ENDINGS)
    if not found:
        raise SettingsError(f"no articles in {folder}: name files of your own, `publisher demo FILE…`")
    return found


def _problem(piece: Piece) -> FieldProblem:
    return FieldProblem(pointer=f"/{piece.place}", detail=str(piece.document.found))
