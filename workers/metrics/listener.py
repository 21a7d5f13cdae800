"""Answers scrapes at `/metrics`, from a thread of its own and on a port that no reader ever sees."""

import os
import socket
import sys
import threading
from http.server import ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, MetricsHandler

from publisher.errors import SettingsError
from publisher.settings import PREFIX, Settings

# Who connects and asks nothing holds a thread for so long.
_PATIENCE_S = 10
_PATH = "/metrics"
log = structlog.get_logger("publisher.metrics")


def serve_metrics(settings: Settings, registry: CollectorRegistry) -> None:
    """Answer scrapes until the process ends, if PUBLISHER_METRICS_PORT says where.

    Raises:
        SettingsError: when nobody can listen there.
    """
    host, port = settings.metrics_host, settings.metrics_port
    if port is None:
        return
    try:
        server = _Scrapes(host, port, _handler_of(registry))
    except OSError as error:
        raise SettingsError(
            f"{PREFIX}METRICS_PORT: {host} port {port} cannot be listened on ({error.strerror or error})"
        ) from error
    # Else a forked process would keep the port when this one is killed.
    os.register_at_fork(after_in_child=server.socket.close)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


class _Scrapes(ThreadingHTTPServer):
    """An HTTP server that asks no name server anything, and whose failures are one line each."""

    def __init__(self, host: str, port: int, handler: type[MetricsHandler]) -> None:
        self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        super().__init__((host, port), handler)

    def server_bind(self) -> None:
        # HTTPServer's own looks up the name of this machine, which takes seconds where nobody knows it.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]  # also bytes

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        log.warning("metrics.not_answered", error=f"{type(error).__name__}: {error}".partition("\n")[0])


def _handler_of(registry: CollectorRegistry) -> type[MetricsHandler]:
    class Scrape(MetricsHandler.factory(registry)):  # type: ignore[misc]  # a class made at run time
        timeout = _PATIENCE_S

        def do_GET(self) -> None:  # noqa: N802  # the name that the base class calls
            if self.path.partition("?")[0] == _PATH:
                super().do_GET()
            else:
                self.send_error(404)

    return Scrape
