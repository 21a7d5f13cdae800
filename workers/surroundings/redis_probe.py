"""What answers where a Redis should, asked without its protocol: its client takes all else for an outage."""

import socket
import ssl

from redis import Redis, SSLConnection

_PATIENCE_S = 1.0
_QUESTION = b"PING\r\n"
_OF_REDIS = (b"+", b"-")
_OF_TLS = b"\x15"  # an alert: what we sent was no handshake


def strangeness(redis: Redis) -> str | None:
    """Return what is strange about whoever answers at a client's address, or None."""
    address = redis.connection_pool.connection_kwargs
    if "host" not in address:
        return None
    host, port = str(address["host"]), int(address["port"])
    by_tls = issubclass(redis.connection_pool.connection_class, SSLConnection)
    answer = _answer(host, port)
    if not answer or answer.startswith(_OF_TLS):
        return "expects TLS: rediss://" if not by_tls and _speaks_tls(host, port) else None
    if answer.startswith(_OF_REDIS):
        return "speaks no TLS: redis://" if by_tls else None
    return f"is no Redis: it answers {answer[:40].splitlines()[0].decode('ascii', 'replace')!r}"


def _answer(host: str, port: int) -> bytes:
    """Return the beginning of the answer; nothing, if there is none within a moment."""
    try:
        with socket.create_connection((host, port), timeout=_PATIENCE_S) as connection:
            connection.sendall(_QUESTION)
            return connection.recv(64)
    except OSError:
        return b""


def _speaks_tls(host: str, port: int) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is told that way
    try:
        with (
            socket.create_connection((host, port), timeout=_PATIENCE_S) as connection,
            context.wrap_socket(connection, server_hostname=host),
        ):
            return True
    except OSError:
        return False
