"""Somebody who is told of articles: a receiver that verifies what it gets, as a real one should."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from publisher.notify.secrets.box import parse_secret
from publisher.notify.signature import verify

_HOST = "127.0.0.1"
_LARGEST = 5_000_000


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """One message, as it first came in.

    Attributes:
        message_id: `webhook-id`; a message that comes again has the same.
        at: seconds since 1970.
        article_id: None when it is about no article.
    """

    message_id: str
    at: float
    verified: bool
    type: str
    article_id: str | None
    sequence: int
    title: str


class Subscriber(ThreadingHTTPServer):
    """Listens on a free port of 127.0.0.1, and remembers each message once."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((_HOST, 0), _Receiver)
        self.url = f"http://{_HOST}:{self.server_port}/webhooks"
        self._key: bytes | None = None
        self._received: dict[str, Webhook] = {}
        self._lock = threading.Lock()

    @property
    def received(self) -> list[Webhook]:
        """What came in, in order."""
        with self._lock:
            return list(self._received.values())

    def trust(self, secret: str) -> None:
        """Verify with this secret, `whsec_…`, from now on."""
        self._key = parse_secret(secret)

    def receive(self, headers: dict[str, str], body: bytes) -> bool:
        """Remember a message; return whether its signature is right."""
        at = time.time()
        key = self._key
        verified = key is not None and verify(key, headers=headers, body=body, at=int(at))
        webhook = _read(headers, body, at=at, verified=verified)
        with self._lock:
            before = self._received.get(webhook.message_id)
            if before is None or (verified and not before.verified):
                self._received[webhook.message_id] = webhook
        return verified


@contextmanager
def subscribed() -> Iterator[Subscriber]:
    """Run a subscriber in a thread of its own."""
    with Subscriber() as subscriber:
        thread = threading.Thread(target=subscriber.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield subscriber
        finally:
            subscriber.shutdown()
            thread.join()


class _Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    server: Subscriber

    def do_POST(self) -> None:
        """Answer 204 to what is signed, 401 to what is not."""
        length = self.headers.get("content-length", "")
        if not length.isascii() or not length.isdigit() or int(length) > _LARGEST:
            self.close_connection = True
            self._answer(413)
            return
        body = self.rfile.read(int(length))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._answer(204 if self.server.receive(headers, body) else 401)

    def log_message(self, *_: Any) -> None:
        """Say nothing: the screen shows what came in."""

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()


def _read(headers: dict[str, str], body: bytes, *, at: float, verified: bool) -> Webhook:
    try:
        message = json.loads(body)
        data = message["data"]
        kind, identifier, sequence = str(message["type"]), data.get("id"), int(data.get("sequence", 0))
        title = str(data.get("title", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        kind, identifier, sequence, title = "unreadable", None, 0, ""
    return Webhook(
        message_id=headers.get("webhook-id", ""),
        at=at,
        verified=verified,
        type=kind,
        article_id=identifier if isinstance(identifier, str) else None,
        sequence=sequence,
        title=title,
    )
