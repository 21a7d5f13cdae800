"""Informational answers (1xx), which may precede the real one: so many of them, and no more."""

from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError, RawResponseMessage
from aiohttp.streams import StreamReader

MOST = 16
"""Before the real answer; RFC 9110, section 15.2, allows any number, and servers send one or two."""

_SWITCHING_PROTOCOLS = 101


class FewInformational(ResponseHandler):
    """Reads answers, and hangs up on a receiver that sends informational ones without end.

    aiohttp passes over any number of them, and does not let go of the event loop as long as there are more:
    a single receiver would fill the memory, and keep all others waiting far beyond its own deadline.
    """

    _informational = 0

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """Take in the head of an answer."""
        code = data[0].code
        if not 100 <= code <= 199 or code == _SWITCHING_PROTOCOLS:
            self._informational = 0
        elif self._informational < MOST:
            self._informational += 1
        else:
            self._hang_up()
            return
        super().feed_data(data, size)

    def _hang_up(self) -> None:
        if self.exception() is None:
            self.set_exception(HttpProcessingError(code=400, message="Too many informational answers"))
            if self.transport is not None:
                self.transport.abort()
