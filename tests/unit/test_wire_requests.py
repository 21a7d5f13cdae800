"""What may go out: no URL and no header that would be read as something else."""

import asyncio
import http.server
import threading
from collections.abc import Mapping

import pytest

from publisher.notify.outcome import Answer, ErrorKind
from publisher.notify.sending import Request
from tests.unit.scripted import OK, Receiver, answering, receiver
from tests.unit.wire import client, run, send


def asked(path: str, headers: Mapping[str, str]) -> tuple[Answer, Receiver]:
    """Send to a URL that names the receiver as `{host}`."""

    async def scenario() -> tuple[Answer, Receiver]:
        async with receiver(answering(OK)) as it, client() as made:
            url = path.format(host=f"127.0.0.1:{it.port}")
            answer = await made.send(Request(url=url, headers=headers, body=b"{}"), deadline_s=8)
            if answer.status is None:
                await asyncio.sleep(0.01)
            return answer, it

    return run(scenario())


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:0/",
        "http://127.0.0.1:65536/",
        "http://127.0.0.1:-1/",
        "http://me:secret@{host}/",
        "http://me@{host}/",
        "http://@{host}/",
        "http://{host}#fragment",
        "http://{host}/\r\nx-more: 1",
        "http://{host}/ HTTP/1.1\r\nx: y\r\n\r\n",
        "http://{host}/a\nb",
        "http://{host}/a b",
        "http://{host}/\0",
        "http://{host}/\x7f",
        "http://{host}/é",
        "http://{host}/?é",
        "http://{host}\r\n/",
        "http://{host}\\@example.org/",
        "http:///{host}/",
        "//{host}/",
        "ws://{host}/",
        "",
    ],
)
def test_nothing_is_sent_to_what_is_no_url(url: str) -> None:
    answer, it = asked(url, {})

    assert (answer.status, answer.error) == (None, ErrorKind.BAD_URL)
    assert (it.opened, it.requests) == (0, [])


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://{host}", b"/"),
        ("http://{host}/", b"/"),
        ("http://{host}?a=b", b"/?a=b"),
        ("http://{host}/?a=b?c", b"/?a=b?c"),
        ("http://{host}//a//", b"//a//"),
        ("http://{host}/a#fragment", b"/a"),
        ("http://{host}/a%0d%0ax:y", b"/a%0d%0ax:y"),
        ("HTTP://{host}/A", b"/A"),
        ("http://{host}/http://example.org/@", b"/http://example.org/@"),
    ],
)
def test_of_a_url_its_path_and_query_are_asked_for(url: str, target: bytes) -> None:
    answer, it = asked(url, {})

    assert answer.status == 200
    assert it.requests[0].startswith(b"POST " + target + b" HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n" % it.port)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", "a\r\nb: c"),
        ("x", "a\nb"),
        ("x", "a\rb"),
        ("x", "a\r\n b"),
        ("x", "a\0"),
        ("x", "\r\n\r\nGET / HTTP/1.1"),
        ("x\r\ny", "z"),
        ("x\n", "z"),
        ("x\0", "z"),
        ("x", "é"),
        ("é", "x"),
    ],
)
def test_nothing_is_sent_of_a_request_with_a_header_that_is_none(name: str, value: str) -> None:
    answer, it = asked("http://{host}/", {name: value})

    assert (answer.status, answer.error) == (None, ErrorKind.BAD_URL)
    assert (it.opened, it.requests) == (0, [])


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_pythons_own_server_is_heard(version: str) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = version

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(202)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    async def scenario(url: str) -> list[Answer]:
        async with client() as made:
            return [await send(url, by=made) for _ in range(3)]

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        answers = run(scenario(f"http://127.0.0.1:{server.server_port}/"))
        server.shutdown()
        serving.join()

    assert [(answer.status, answer.error, answer.body) for answer in answers] == [(202, None, b"ok")] * 3
