"""Many articles in one request: a line out for each line in, in order, while they still come in."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastapi import Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session
from starlette.types import Receive, Scope, Send

from publisher.api.context import ApiContext
from publisher.api.json_body import parse_json
from publisher.api.ndjson import Line, LineSplitter
from publisher.api.problems import Problem, Refused, bug, dump_json, problem_of
from publisher.api.reporting import report_batch
from publisher.api.together import store_together
from publisher.errors import PublisherError
from publisher.ingest.article_in import parse_article
from publisher.ingest.record import Recorded, record_all
from publisher.ingest.submission import Submission

NDJSON = "application/x-ndjson"
_MOST_LINES = 100
_MOST_BYTES = 4_000_000
# Input that pauses for so long is recorded as far as it came.
_PAUSE_S = 0.05
# A client may send all its lines before it reads the first answer: so many bytes of answers wait for it.
_MOST_UNREAD = 16_000_000
# A client that sends nothing, or takes nothing, for so long is gone.
_PATIENCE_S = 60.0

_log = logging.getLogger("publisher.api")


class BatchResponse(Response):
    """Reads the request while it answers; what was answered is committed, whatever becomes of the rest."""

    def __init__(self, context: ApiContext, *, traceparent: str | None) -> None:
        super().__init__(media_type=NDJSON)
        del self.headers["content-length"]
        self._context = context
        self._traceparent = traceparent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until the input ends or the client goes away."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            await self._answer(receive, send)
        except TimeoutError:
            # Without an end to the answer the server closes the connection.
            _log.warning("batch.abandoned")

    async def _answer(self, receive: Receive, send: Send) -> None:
        answers = _Answers(send)
        async for lines in _arriving(receive, self._context.settings.max_body_bytes):
            answers.add(await run_in_threadpool(answer_lines, self._context, lines, self._traceparent))
            await answers.taken(but=_MOST_UNREAD)
        await answers.taken()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Answers:
    """Sends in the background, so that reading goes on while the client does not read."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._unsent = bytearray()
        self._sending: asyncio.Task[None] | None = None

    def add(self, answers: bytes) -> None:
        self._unsent += answers
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all())

    async def taken(self, *, but: int = 0) -> None:
        """Wait until no more bytes than these are left.

        Raises:
            TimeoutError: when the client takes nothing any more.
        """
        if self._sending and (but == 0 or len(self._unsent) > but):
            async with asyncio.timeout(_PATIENCE_S):
                await self._sending

    async def _send_all(self) -> None:
        while self._unsent:
            body = bytes(self._unsent)
            self._unsent.clear()
            await self._send({"type": "http.response.body", "body": body, "more_body": True})


async def _arriving(receive: Receive, limit: int) -> AsyncIterator[list[Line]]:
    """Yield lines as they arrive: at most 100 at once, and what there is when the input pauses.

    Raises:
        TimeoutError: when nothing comes any more.
    """
    splitter = LineSplitter(limit)
    lines: list[Line] = []
    message = asyncio.ensure_future(receive())
    more = True
    while more:
        arrived, _ = await asyncio.wait({message}, timeout=_PAUSE_S if lines else _PATIENCE_S)
        if not arrived and not lines:
            message.cancel()
            raise TimeoutError
        if arrived:
            more = message.result().get("more_body", False)
            lines += splitter.feed(message.result().get("body", b""))
            if more:
                message = asyncio.ensure_future(receive())
            elif message.result()["type"] == "http.request":
                lines += splitter.finish()
        if not arrived or not more or _are_enough(lines):
            for start in range(0, len(lines), _MOST_LINES):
                yield lines[start : start + _MOST_LINES]
            lines = []


def _are_enough(lines: Sequence[Line]) -> bool:
    return len(lines) >= _MOST_LINES or sum(len(one.content or b"") for one in lines) >= _MOST_BYTES


def answer_lines(context: ApiContext, lines: Sequence[Line], traceparent: str | None = None) -> bytes:
    """Store the articles of these lines in one transaction; return the lines that answer them."""
    results: dict[int, Recorded | Exception] = {}
    submissions: dict[int, Submission] = {}
    for line in lines:
        try:
            read = _read(line, context.settings.max_body_bytes)
            submissions[line.number] = replace(read, traceparent=traceparent)
        except PublisherError as error:
            results[line.number] = error

    def record(session: Session, some: Sequence[Submission]) -> list[Recorded | PublisherError]:
        return record_all(session, some, tag_domain=context.settings.ids_domain)

    if submissions:
        stored = store_together(context.sessions, list(submissions.values()), record)
        results |= zip(submissions, stored, strict=True)
        if accepted := [one for one in stored if isinstance(one, Recorded)]:
            report_batch(context, accepted, traceparent=traceparent)
    return b"".join(dump_json(_show(line.number, results[line.number])) + b"\n" for line in lines)


def _read(line: Line, limit: int) -> Submission:
    if line.content is None:
        raise Refused(Problem(status=413, detail=f"the line is longer than {limit:,} bytes"))
    return parse_article(parse_json(line.content))


def _show(number: int, result: Recorded | Exception) -> Mapping[str, Any]:
    if isinstance(result, Recorded):
        return {
            "line": number,
            "outcome": result.outcome,
            "id": str(result.article_id),
            "uri": result.uri,
            "sequence": result.sequence,
        }
    problem = problem_of(result)
    if problem is None:
        _log.error("batch.failed", exc_info=result)
        problem = bug()
    return {"line": number, "error": problem.as_json()}
