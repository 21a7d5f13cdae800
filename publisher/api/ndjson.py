"""Newline-delimited JSON, cut into lines while it arrives."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of input.

    Attributes:
        number: 1 for the first.
        content: without the line end; None when it was longer than the limit, and was dropped.
    """

    number: int
    content: bytes | None


class LineSplitter:
    """Takes bytes as they come, gives lines as they end; never holds more than one line of the limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._length = 0
        self._number = 0

    def feed(self, chunk: bytes) -> list[Line]:
        """Return the lines that end in this chunk."""
        *ended, rest = chunk.split(b"\n")
        lines = []
        for part in ended:
            self._add(part)
            lines.append(self._end())
        self._add(rest)
        return lines

    def finish(self) -> list[Line]:
        """Return the last line, if the input did not end with a line end."""
        return [self._end()] if self._length else []

    def _add(self, part: bytes) -> None:
        self._length += len(part)
        if self._length > self._limit + 1:  # one more for a carriage return
            self._parts.clear()
        elif part:
            self._parts.append(part)

    def _end(self) -> Line:
        self._number += 1
        content = b"".join(self._parts).removesuffix(b"\r")
        too_long = self._length > self._limit + 1 or len(content) > self._limit
        self._parts.clear()
        self._length = 0
        return Line(number=self._number, content=None if too_long else content)
