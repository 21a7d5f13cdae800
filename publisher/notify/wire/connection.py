"""One connection to a receiver: HTTP/1.1, read by llhttp, within bounds whatever the receiver sends."""

import asyncio
from typing import NoReturn, cast

import httpx
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from publisher.notify.wire.bounds import (
    LENIENT_BYTES,
    LONG_BYTES,
    MAX_BODY_BYTES,
    MAX_BYTES,
    MAX_HEAD_BYTES,
    MOST_HEADERS,
    MOST_INFORMATIONAL,
)
from publisher.notify.wire.response_headers import Raw

_SWITCHING_PROTOCOLS = 101


class Disconnected(httpx.ReadError):
    """The receiver hung up before its answer was complete."""


class Connection(asyncio.Protocol):
    """Carries one exchange after the other.

    asyncio and llhttp call what is named as they want it; the rest is for who sends a request: `ask`, then
    `head`, then `chunk` until it is empty.
    """

    def __init__(self) -> None:
        self.address = ""
        """Where it leads; whoever opens it says so."""
        self.status: int | None = None
        """Of the answer, once its head is there."""
        self.headers: list[Raw] = []
        self._parser = HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(
            lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._transport: asyncio.Transport | None = None
        self._news: asyncio.Future[None] | None = None
        self._problem: Exception | None = None
        self._is_reading = self._is_over = self._is_kept = self._is_framed = self._is_long = False
        self._bytes = self._lines = self._body_bytes = self._informational = 0
        self._body: list[bytes] = []

    @property
    def is_open(self) -> bool:
        """Whether a request can be sent."""
        return self._transport is not None and not self._transport.is_closing() and not self._is_reading

    @property
    def can_be_kept(self) -> bool:
        """Whether the answer is whole, and the receiver takes one more request."""
        transport = self._transport
        if not self._is_kept or self._is_long or transport is None or transport.is_closing():
            return False
        return transport.get_write_buffer_size() == 0

    def ask(self, request: bytes) -> None:
        """Send a request; the connection must be open."""
        assert self._transport is not None
        self.status, self.headers = None, []
        self._is_reading, self._is_over, self._is_kept = True, False, False
        self._is_long = len(request) > LONG_BYTES
        self._bytes = self._body_bytes = self._informational = 0
        self._body.clear()
        self._parser.set_dangerous_leniencies(lenient_headers=True)
        self._transport.write(request)

    async def head(self) -> int:
        """Return the status once the head of the answer is there.

        Raises:
            Disconnected: when it does not come any more.
            httpx.RemoteProtocolError: when what comes is not HTTP as we accept it.
        """
        while self.status is None:
            if self._problem is not None:
                raise self._problem
            await self._something_new()
        return self.status

    async def chunk(self) -> bytes:
        """Return what has come of the body, after its end nothing.

        Raises:
            Disconnected: when not all of it came.
            httpx.RemoteProtocolError: when what comes is not HTTP as we accept it.
        """
        while not self._body:
            if self._is_over:
                return b""
            if self._problem is not None:
                raise self._problem
            await self._something_new()
        body = b"".join(self._body)
        self._body.clear()
        return body

    def abort(self) -> None:
        """Hang up at once: a farewell in TLS would wait half a minute for the receiver's.

        Nothing is to be asked of the connection any more.
        """
        self._problem = None  # Where it was raised leads back to here: a circle.
        self._hang_up()

    def _hang_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def _something_new(self) -> None:
        self._news = asyncio.get_running_loop().create_future()
        await self._news

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _fail(self, problem: Exception) -> None:
        if self._is_reading:
            self._problem = self._problem or problem
            self._is_reading = False
        self._hang_up()
        self._tell()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note what to write to."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses of asyncio's

    def eof_received(self) -> None:
        """Note that nothing more comes; what of the request is not written yet is not waited for."""
        self._hear_no_more(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that nothing more comes."""
        self._transport = None
        self._hear_no_more(exc)
        # It leads back to here: a circle, too.
        del self._parser

    def _hear_no_more(self, exc: Exception | None) -> None:
        if self._is_reading and exc is None and self.status is not None and not self._is_framed:
            self._is_reading, self._is_over = False, True
            self._tell()
        else:
            self._fail(Disconnected(f"the receiver hung up{f': {exc}' if exc else ''}"))

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        if not self._is_reading:
            # Nobody asked. What it belongs to cannot be known.
            self._hang_up()
            return
        lenient = max(0, LENIENT_BYTES - self._bytes)
        self._bytes += len(data)
        try:
            self._parser.feed_data(data[:lenient])
            if len(data) > lenient:
                self._parser.set_dangerous_leniencies(lenient_headers=False)
                self._parser.feed_data(data[lenient:])
        except HttpParserUpgrade:
            self._end()
        except HttpParserError as error:
            self._fail(httpx.RemoteProtocolError(str(error) or "no HTTP"))
        if self._is_reading:
            self._check_bounds()
        self._tell()

    def _check_bounds(self) -> None:
        if self._bytes > (MAX_HEAD_BYTES if self.status is None else MAX_BYTES):
            self._fail(httpx.RemoteProtocolError("the answer is too long"))

    def _refuse(self, why: str) -> NoReturn:
        """Stop llhttp, too."""
        self._fail(httpx.RemoteProtocolError(why))
        raise HttpParserError(why)

    def _end(self) -> None:
        self._is_reading, self._is_over = False, True

    def on_message_begin(self) -> None:
        """Refuse an answer that nobody asked for."""
        if not self._is_reading:
            raise HttpParserError("an answer that nobody asked for")
        self.headers = []
        self._lines = 0
        self._is_framed = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take in a line of the head; those that follow the body are counted only."""
        self._lines += 1
        if self._lines > MOST_HEADERS:
            self._refuse("the answer has too many headers")
        if self.status is not None:
            return
        if b"\0" in value:
            self._refuse("the answer has a header with a NUL")
        self.headers.append((name, value))
        key = name.lower()
        if key == b"content-length":
            self._is_framed = True
        elif key == b"transfer-encoding":
            # RFC 9112, section 6.3: chunked counts where it comes last.
            self._is_framed = value.lower().rpartition(b",")[2].strip() == b"chunked"

    def on_headers_complete(self) -> None:
        """Note the status, but that of an informational answer."""
        status = self._parser.get_status_code()
        if status // 100 != 1 or status == _SWITCHING_PROTOCOLS:
            self.status = status
            return
        self._informational += 1
        if self._informational > MOST_INFORMATIONAL:
            self._refuse("too many informational answers")

    def on_body(self, body: bytes) -> None:
        """Take in a part of the body."""
        self._body.append(body)
        self._body_bytes += len(body)
        if self._body_bytes >= MAX_BODY_BYTES:
            self._end()
            raise HttpParserError("enough")

    def on_message_complete(self) -> None:
        """Note that the answer is whole."""
        if self.status is not None:
            self._end()
            self._is_kept = self.status != _SWITCHING_PROTOCOLS and self._parser.should_keep_alive()
