"""The files that a command was given, and every article in them."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from publisher.errors import InvalidInput
from workers.documents import Document, Reading, read_documents

STDIN = "-"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """An article of one of the files, or what is wrong with it."""

    path: str
    document: Document

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return self.path if self.document.line == 1 else f"{self.path}, line {self.document.line}"


def read_files(paths: Sequence[str], reading: Reading) -> Iterator[Piece]:
    """Yield the articles of files, in order; `-` is standard input. What cannot be read is one piece."""
    for path in paths:
        try:
            with _open(path) as stream:
                for document in read_documents(path, stream, reading):
                    yield Piece(path=path, document=document)
        except OSError as error:
            unreadable = InvalidInput.of("", f"cannot be read ({error.strerror or error})")
            yield Piece(path=path, document=Document(line=1, found=unreadable))


def _open(path: str) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdin.buffer) if path == STDIN else Path(path).open("rb")
