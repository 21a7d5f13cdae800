"""Receives webhooks inside a container, and shows its ledger; needs nothing but the standard library."""

import json
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_LEDGER: list[dict[str, object]] = []
_LOCK = threading.Lock()


class Receiver(BaseHTTPRequestHandler):
    """POST: a webhook comes in; GET: all that have come, in order."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Write it down, then answer."""
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with _LOCK:
            _LEDGER.append({"headers": headers, "body": body.decode()})
        self.send_response(204)
        self.end_headers()

    def do_GET(self) -> None:
        """Show the ledger."""
        with _LOCK:
            body = json.dumps(_LEDGER).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    ThreadingHTTPServer(("", 9000), Receiver).serve_forever()
