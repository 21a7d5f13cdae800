"""The HTTP client against receivers that behave, and against those that do not (real sockets on loopback)."""

import asyncio
import gzip
import socket
import ssl
import struct
import time
import tracemalloc
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from publisher.notify.endpoints.destination import check_name, check_url
from publisher.notify.outcome import Answer, ErrorKind
from publisher.notify.sending import Request
from publisher.notify.wire.bounds import MAX_BODY_BYTES
from publisher.notify.wire.client import WebhookClient
from publisher.notify.wire.response_headers import MAX_HEADERS_BYTES
from tests.certificates import self_signed
from tests.unit.scripted import (
    FLOODS,
    OK,
    Behaviour,
    Reader,
    Receiver,
    Writer,
    answering,
    flooding,
    for_ever,
    receiver,
)
from tests.unit.wire import client, eventually

DEADLINE_S = 1.0
# Beyond a second byte of who sends one a second: no byte puts the deadline off.
SLOW_DEADLINE_S = 1.5
GRACE_S = 1.0
Exchanged = tuple[Answer, Receiver, float]


async def send(to: str, *, by: WebhookClient | None = None, deadline_s: float = DEADLINE_S) -> Answer:
    headers = {"webhook-id": "msg_1", "content-type": "application/json"}
    request = Request(url=to, headers=headers, body=b'{"a": 1}')
    if by is not None:
        return await by.send(request, deadline_s=deadline_s)
    async with client() as made:
        return await made.send(request, deadline_s=deadline_s)


async def exchanged(behave: Behaviour, *, deadline_s: float) -> Exchanged:
    async with receiver(behave) as it, client() as made:
        started = time.monotonic()
        answer = await send(it.url(), by=made, deadline_s=deadline_s)
        return answer, it, time.monotonic() - started


def exchange(behave: Behaviour, *, deadline_s: float = DEADLINE_S) -> Exchanged:
    """Send one webhook to a receiver that behaves like this; return answer, receiver and seconds it took."""
    return asyncio.run(exchanged(behave, deadline_s=deadline_s))


def exchange_with_all(behaviours: dict[str, Behaviour], *, deadline_s: float) -> dict[str, Exchanged]:
    """Send one webhook to each of several receivers, to all at the same time."""

    async def scenario() -> list[Exchanged]:
        return await asyncio.gather(
            *(exchanged(behave, deadline_s=deadline_s) for behave in behaviours.values())
        )

    return dict(zip(behaviours, asyncio.run(scenario()), strict=True))


def test_a_webhook_arrives_as_it_was_given() -> None:
    answer, it, _ = exchange(answering(OK))

    head, _, body = it.requests[0].partition(b"\r\n\r\n")
    names = [line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
    assert (answer.status, answer.error, answer.body) == (200, None, b"ok")
    assert answer.address == "127.0.0.1"
    assert body == b'{"a": 1}'
    assert b"webhook-id: msg_1" in head.lower()
    assert b"accept-encoding: identity" in head.lower()
    assert sorted(names) == sorted(set(names))
    assert b"transfer-encoding" not in names


@pytest.mark.parametrize(
    "path", ["/a%2fb", "/a/../b/./c", "/%41%zz", "/x?q=%2F+%20&a=[1]&", "/a//b", "?only=query", "/;v=1/(x)'"]
)
def test_the_url_is_requested_exactly_as_written(path: str) -> None:
    async def scenario() -> bytes:
        async with receiver(answering(OK)) as it:
            await send(it.url(path))
            return it.requests[0].split(b" ")[1]

    assert asyncio.run(scenario()).decode() == (path if path.startswith("/") else f"/{path}")


@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308])
@pytest.mark.parametrize("location", [None, "", "http://[", "//", "javascript:x", "\x7f"])
def test_a_redirect_is_not_followed(status: int, location: str | None) -> None:
    async def scenario() -> tuple[Answer, Receiver, Receiver]:
        async with receiver(answering(OK)) as target:
            to = target.url() if location is None else location
            head = f"HTTP/1.1 {status} Moved\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"
            async with receiver(answering(head.encode())) as it:
                return await send(it.url()), it, target

    answer, it, target = asyncio.run(scenario())

    assert answer.status == status
    assert len(it.requests) == 1
    assert target.opened == 0


def test_cookies_are_not_sent_back() -> None:
    async def scenario() -> list[bytes]:
        cookie = b"HTTP/1.1 200 OK\r\nset-cookie: a=b; path=/\r\ncontent-length: 0\r\n\r\n"
        async with receiver(answering(cookie)) as it, client() as made:
            await send(it.url(host="localhost"), by=made)
            await send(it.url(host="localhost"), by=made)
            return it.requests

    first, second = asyncio.run(scenario())

    assert b"cookie" not in second.lower()
    assert first == second


def test_a_proxy_in_the_environment_has_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> tuple[Answer, int]:
        async with receiver(answering(OK)) as proxy, receiver(answering(OK)) as it:
            for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, proxy.url(""))
            monkeypatch.delenv("NO_PROXY", raising=False)
            monkeypatch.delenv("no_proxy", raising=False)
            return await send(it.url()), proxy.opened

    answer, proxied = asyncio.run(scenario())

    assert answer.status == 200
    assert proxied == 0


@pytest.mark.parametrize("value", ["a\r\nx-more: b", "a\nb", "a\rb", "a\x00b"])
def test_a_header_with_a_line_break_is_not_sent(value: str) -> None:
    async def scenario() -> tuple[Answer, Receiver]:
        async with receiver(answering(OK)) as it, client() as made:
            request = Request(url=it.url(), headers={"publisher-sequence": value})
            return await made.send(request, deadline_s=DEADLINE_S), it

    answer, it = asyncio.run(scenario())

    assert (answer.status, answer.error) == (None, ErrorKind.BAD_URL)
    assert it.requests == []


def test_what_a_netrc_file_holds_is_not_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    _, it, _ = exchange(answering(OK))

    assert b"authorization" not in it.requests[0].lower()


def test_the_headers_of_the_answer_come_back() -> None:
    head = b"HTTP/1.1 429 Slow\r\nRetry-After: 120\r\nX: y\r\nSet-Cookie: a=b\r\nX: \xffz\r\n"

    answer, _, _ = exchange(answering(head, b"content-length: 0\r\n\r\n"))

    assert answer.headers == {
        "retry-after": "120",
        "x": "y, \ufffdz",
        "set-cookie": "(not kept)",
        "content-length": "0",
    }


def test_of_many_long_headers_16_kb_are_kept_and_what_we_act_on() -> None:
    long = b"".join(b"x-%d: %s\r\n" % (number, b"v" * 2_000) for number in range(100))
    last = b"webhook-delivery: disable\r\ncontent-length: 2\r\n\r\nok"

    answer, _, _ = exchange(answering(b"HTTP/1.1 200 OK\r\n", long, last))

    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.headers["webhook-delivery"] == "disable"
    assert sum(len(name) + len(value) for name, value in answer.headers.items()) == MAX_HEADERS_BYTES


def test_informational_answers_are_passed_over() -> None:
    answer, _, _ = exchange(
        answering(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n" + OK)
    )

    assert answer.status == 200


def test_a_receiver_that_would_change_the_protocol_is_left() -> None:
    upgrade = b"HTTP/1.1 101 Switch\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"

    async def scenario() -> Answer:
        async with receiver(for_ever(b"x", after=upgrade, pause_s=0.01)) as it, client() as made:
            answer = await send(it.url(), by=made)
            await eventually(lambda: it.closed == 1)
            return answer

    answer = asyncio.run(scenario())

    assert (answer.status, answer.succeeded) == (101, False)


# Receivers that do not come to a status, or not to an end after it, or that answer what is no answer.
TOO_SLOW: dict[str, Behaviour] = {
    "silence": for_ever(b"", pause_s=60),
    "headers, a byte a second": answering(*(bytes([byte]) for byte in OK), pause_s=1),
    "headers without end": for_ever(b"x-a: b\r\n", after=b"HTTP/1.1 200 OK\r\n", pause_s=0.05),
}
DRIPPING: dict[str, Behaviour] = {
    "body, a byte a second": for_ever(
        b"x", after=b"HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n", pause_s=1
    ),
    "body that stops": for_ever(b"", after=b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx", pause_s=60),
    "chunks of a byte, one a second": for_ever(
        b"1\r\nx\r\n", after=b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", pause_s=1
    ),
}
NOT_HTTP: dict[str, Behaviour] = {
    "another protocol": answering(b"220 mail.example ESMTP\r\n"),
    "binary": answering(bytes(range(256)) * 10),
    "a huge header": answering(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 1_000_000 + b"\r\n\r\n"),
    "too many headers": answering(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 10_000 + b"\r\n"),
    "a huge status line": answering(b"HTTP/1.1 200 " + b"O" * 1_000_000 + b"\r\n\r\n"),
    "a length that is none": answering(b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"),
    "two lengths": answering(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx"),
    "informational answers without end": for_ever(b"HTTP/1.1 102 Processing\r\n\r\n" * 1000),
    "slow informational answers": for_ever(b"HTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n", pause_s=0.01),
    "NUL in a header": answering(b"HTTP/1.1 200 OK\r\nx: a\x00b\r\n\r\n"),
}


@pytest.mark.parametrize("answer", [b"HTTP/9 lol\r\n\r\n", b"HTTP/1.1 200 OK\r\nx y\r\n\r\n"])
def test_what_went_wrong_is_told_without_the_address(answer: bytes) -> None:
    async def scenario() -> Answer:
        async with receiver(answering(answer)) as it:
            return await send(
                f"http://127.0.0.1:{it.port}/hook?hub.topic=https%3A%2F%2Fnews.example%2Fprv_secret"
            )

    told = asyncio.run(scenario())

    assert told.detail
    assert "secret" not in told.detail


def test_receivers_that_do_not_finish_are_left_at_the_deadline() -> None:
    exchanges = exchange_with_all(TOO_SLOW, deadline_s=SLOW_DEADLINE_S)

    for name, (answer, it, took) in exchanges.items():
        assert (answer.status, answer.error) == (None, ErrorKind.TIMEOUT), name
        assert answer.detail == "no complete answer within 1.5 s", name
        assert answer.address == "127.0.0.1", name
        assert SLOW_DEADLINE_S - 0.05 < took < SLOW_DEADLINE_S + GRACE_S, name
        assert 1450 < answer.duration_ms < 2500, name
        assert it.opened == 1, name


def test_a_status_counts_although_the_body_does_not_end_by_the_deadline() -> None:
    exchanges = exchange_with_all(DRIPPING, deadline_s=SLOW_DEADLINE_S)

    for name, (answer, it, took) in exchanges.items():
        assert (answer.status, answer.succeeded, answer.error) == (200, True, ErrorKind.TIMEOUT), name
        assert answer.body.strip(b"x") == b"", name
        assert answer.detail == "no complete answer within 1.5 s", name
        assert took < SLOW_DEADLINE_S + GRACE_S, name
        assert it.opened == 1, name


@pytest.mark.parametrize("name", NOT_HTTP)
def test_what_is_not_http_is_an_error_at_once(name: str) -> None:
    answer, _, took = exchange(NOT_HTTP[name])

    assert (answer.status, answer.error) == (None, ErrorKind.PROTOCOL)
    assert answer.detail.isprintable()
    assert 0 < len(answer.detail) <= 300
    assert took < DEADLINE_S


@pytest.mark.parametrize(
    "framing", [b"content-length: 1000000000", b"transfer-encoding: chunked", b"x: until-close"]
)
def test_of_a_body_without_end_the_first_16_kb_are_kept(framing: bytes) -> None:
    part = b"10000\r\n" + b"x" * 65536 + b"\r\n" if b"chunked" in framing else b"x" * 65536

    async def scenario() -> tuple[Answer, float]:
        async with (
            receiver(for_ever(part, after=b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")) as it,
            client() as made,
        ):
            started = time.monotonic()
            answer = await send(it.url(), by=made)
            took = time.monotonic() - started
            await eventually(lambda: it.closed == 1)
            return answer, took

    answer, took = asyncio.run(scenario())

    assert answer.status == 200
    assert answer.body == b"x" * MAX_BODY_BYTES
    assert took < DEADLINE_S + GRACE_S


def test_a_compressed_body_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb)

    answer, _, _ = exchange(answering(head, bomb))

    assert answer.status == 200
    assert answer.body == bomb[:MAX_BODY_BYTES]


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_fills_no_memory_and_ends_by_the_deadline(name: str) -> None:
    async def scenario(url: str) -> tuple[list[Answer], float]:
        async with client() as made:
            started = time.monotonic()
            answers = await asyncio.gather(*(send(url, by=made) for _ in range(4)))
            return answers, time.monotonic() - started

    with flooding(*FLOODS[name]) as url:
        tracemalloc.start()
        answers, took = asyncio.run(scenario(url))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert all(answer.status == 200 or answer.error for answer in answers)
    assert all(len(answer.body) <= MAX_BODY_BYTES for answer in answers)
    assert took < DEADLINE_S + GRACE_S
    assert peak < 32 * 1024 * 1024


def hanging_up_after(sent: bytes, *, reset: bool) -> Behaviour:
    async def hang_up(_: Reader, writer: Writer) -> None:
        writer.write(sent)
        await writer.drain()
        await asyncio.sleep(0.05)  # the bytes should arrive before the reset that would discard them
        if reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort() if reset else writer.close()

    return hang_up


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\ncontent-le"])
@pytest.mark.parametrize("reset", [True, False])
def test_a_receiver_that_hangs_up_before_its_status_is_an_error_at_once(sent: bytes, reset: bool) -> None:
    answer, _, took = exchange(hanging_up_after(sent, reset=reset))

    assert (answer.status, answer.error) == (None, ErrorKind.DISCONNECTED)
    assert answer.detail
    assert took < DEADLINE_S


@pytest.mark.parametrize(
    "framing", [b"content-length: 9\r\n\r\nx", b"transfer-encoding: chunked\r\n\r\n1\r\nx\r\n"]
)
@pytest.mark.parametrize("status", [200, 410, 429])
@pytest.mark.parametrize("reset", [True, False])
def test_a_status_counts_although_the_receiver_hangs_up_in_its_body(
    framing: bytes, status: int, reset: bool
) -> None:
    head = b"HTTP/1.1 %d It\r\nretry-after: 60\r\n" % status

    answer, _, took = exchange(hanging_up_after(head + framing, reset=reset))

    assert (answer.status, answer.error) == (status, ErrorKind.DISCONNECTED)
    assert (answer.succeeded, answer.headers["retry-after"]) == (status == 200, "60")
    assert answer.detail
    assert took < DEADLINE_S


def test_nobody_listening_is_a_connect_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    answer = asyncio.run(send(f"http://127.0.0.1:{port}/"))

    assert answer.error is ErrorKind.CONNECT
    assert answer.address == "127.0.0.1"


def test_connections_are_used_again_and_few_stay_idle() -> None:
    async def scenario() -> tuple[Receiver, int]:
        slow = answering(b"", OK, pause_s=0.05)
        async with receiver(slow) as it, client() as made:
            await asyncio.gather(*(send(it.url(), by=made) for _ in range(8)))
            await eventually(lambda: it.opened - it.closed <= 2)
            opened = it.opened
            await send(it.url(), by=made)
            return it, opened

    it, opened = asyncio.run(scenario())

    assert opened == 8
    assert it.opened == 8


# Where webhooks may not go.


# However an address is spelled: what the URL parser, the system's resolver or the connector makes of it.
SPELLINGS = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "0x7f000001",
    "0x7f.0.0.1",
    "0X7F.1",
    "0177.0.0.1",
    "017700000001",
    "2130706433",
    "0.0.0.0",
    "0",
    "127。0。0。1",
    "127.0.0。1",
    "１２７.０.０.１",
    "①②⑦.0.0.1",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
    "[fd00::1]",
    "[fe80::1%25lo]",
    "[fe80::1%lo]",
    "[::1%25lo]",
    "[::1%lo]",
    "169.254.169.254",
    "me@127.0.0.1",
    "example.org@127.0.0.1",
]


@pytest.mark.parametrize("host", SPELLINGS)
def test_no_spelling_of_a_private_address_gets_a_packet(host: str) -> None:
    """What is stored is checked again, in whatever way it came there."""

    async def scenario() -> tuple[Answer, Receiver, float]:
        async with receiver(answering(OK), host="") as it, client(allowed=()) as made:
            started = time.monotonic()
            answer = await send(it.url(host=host), by=made)
            return answer, it, time.monotonic() - started

    answer, it, took = asyncio.run(scenario())

    assert answer.error in (ErrorKind.REFUSED_ADDRESS, ErrorKind.BAD_URL, ErrorKind.DNS)
    assert answer.status is None
    assert it.opened == 0
    assert took < DEADLINE_S + GRACE_S


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "0x7f000001", "0.0.0.0"])
def test_a_private_address_is_refused_without_a_packet(host: str) -> None:
    async def scenario() -> tuple[Answer, Receiver]:
        async with receiver(answering(OK), host="0.0.0.0") as it, client(allowed=()) as made:
            return await send(it.url(host=host), by=made), it

    answer, it = asyncio.run(scenario())

    assert answer.error is ErrorKind.REFUSED_ADDRESS
    assert "webhooks may not go" in answer.detail
    assert it.opened == 0


@pytest.mark.parametrize("host", ["127.1", "2130706433"])
def test_a_short_spelling_of_an_address_is_no_url(host: str) -> None:
    async def scenario() -> tuple[Answer, Receiver]:
        async with receiver(answering(OK)) as it:
            return await send(it.url(host=host)), it

    answer, it = asyncio.run(scenario())

    assert answer.error is ErrorKind.BAD_URL
    assert it.opened == 0


@pytest.mark.parametrize("host", ["xn--ls8h.example", "hooks_1.example", "example.org."])
def test_every_name_that_is_accepted_can_be_asked(host: str) -> None:
    """A domain of an emoji is none after IDNA 2008, which httpx heeds, but the DNS has it."""

    async def scenario() -> tuple[Answer, str]:
        async with receiver(answering(OK)) as it, client(lookup=lambda _: ["127.0.0.1"]) as made:
            url = it.url(host=host)
            check_url(url, allowed=(), allow_http=True)
            return await send(url, by=made), url

    answer, url = asyncio.run(scenario())

    assert answer.status == 200, url


def test_a_name_with_one_bad_record_is_refused_without_a_packet() -> None:
    async def scenario() -> tuple[Answer, Receiver]:
        records = ["127.0.0.1", "10.0.0.1"]
        async with receiver(answering(OK)) as it, client(lookup=lambda _: records) as made:
            return await send(it.url(host="mixed.example"), by=made), it

    answer, it = asyncio.run(scenario())

    assert answer.error is ErrorKind.REFUSED_ADDRESS
    assert "mixed.example resolves to 10.0.0.1" in answer.detail
    assert it.opened == 0


def test_everybody_who_waits_for_a_bad_name_is_refused() -> None:
    def slow(_: str) -> list[str]:
        time.sleep(0.1)
        return ["10.0.0.1"]

    async def scenario() -> list[Answer]:
        async with client(lookup=slow) as made:
            return await asyncio.gather(*(send("http://bad.example/", by=made) for _ in range(5)))

    assert {answer.error for answer in asyncio.run(scenario())} == {ErrorKind.REFUSED_ADDRESS}


def test_a_name_that_turns_to_loopback_after_the_check_is_refused() -> None:
    """DNS rebinding: what the name resolves to is looked at in the very look-up that the connect uses."""
    records = iter([["8.8.8.8"], ["127.0.0.1"]])

    async def scenario() -> tuple[Answer, Receiver]:
        async with receiver(answering(OK)) as it, client(allowed=(), lookup=lambda _: next(records)) as made:
            url = it.url(host="rebinding.example")
            check_name(url, allowed=(), lookup=lambda _: next(records))
            return await send(url, by=made), it

    answer, it = asyncio.run(scenario())

    assert answer.error is ErrorKind.REFUSED_ADDRESS
    assert it.opened == 0


def test_a_name_inside_an_allowed_network_is_reached() -> None:
    async def scenario() -> Answer:
        async with receiver(answering(OK)) as it, client(lookup=lambda _: ["127.0.0.1"]) as made:
            return await send(it.url(host="inside.example"), by=made)

    answer = asyncio.run(scenario())

    assert (answer.status, answer.address) == (200, "127.0.0.1")


@pytest.mark.parametrize("records", [[], None])
def test_a_name_without_an_address_is_a_dns_error(records: list[str] | None) -> None:
    def lookup(name: str) -> list[str]:
        if records is None:
            raise socket.gaierror(socket.EAI_NONAME, name)
        return records

    async def scenario() -> Answer:
        async with client(lookup=lookup) as made:
            return await send("http://nowhere.example/", by=made)

    answer = asyncio.run(scenario())

    assert (answer.error, answer.address) == (ErrorKind.DNS, None)


def test_a_slow_name_server_is_left_at_the_deadline_and_holds_up_nobody_else() -> None:
    def lookup(name: str) -> list[str]:
        if name == "slow.example":
            time.sleep(1)
        return ["127.0.0.1"]

    async def scenario() -> tuple[Answer, Answer]:
        async with receiver(answering(OK)) as it, client(lookup=lookup) as made:
            slow, quick = await asyncio.gather(
                send("http://slow.example/", by=made, deadline_s=0.2),
                send(it.url(host="quick.example"), by=made, deadline_s=0.2),
            )
            return slow, quick

    slow, quick = asyncio.run(scenario())

    assert slow.error is ErrorKind.TIMEOUT
    assert quick.status == 200


@pytest.mark.parametrize(
    "url", ["http://", "nonsense", "ftp://127.0.0.1/", "http://127.0.0.1:99999/", "http://[::1/"]
)
def test_what_is_no_url_is_an_error_and_not_an_exception(url: str) -> None:
    assert asyncio.run(send(url)).error is ErrorKind.BAD_URL


# TLS.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls") / "both.pem", until=timedelta(days=1))


def test_a_certificate_that_has_expired_is_refused(tmp_path: Path) -> None:
    expired = self_signed(tmp_path / "expired.pem", until=timedelta(days=-1))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(expired)

    async def scenario() -> tuple[Answer, Receiver]:
        async with (
            receiver(answering(OK), tls=server) as it,
            client(tls=ssl.create_default_context(cafile=str(expired))) as made,
        ):
            return await send(it.url(scheme="https"), by=made), it

    answer, it = asyncio.run(scenario())

    assert (answer.status, answer.error) == (None, ErrorKind.TLS)
    assert "expired" in answer.detail
    assert it.requests == []


def test_tls_is_checked_against_authorities_and_name(certificate: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))

    async def scenario() -> list[Answer]:
        async with (
            receiver(answering(OK), tls=server) as it,
            client() as strict,
            client(tls=trusting, lookup=lambda _: ["127.0.0.1"]) as trusted,
        ):
            return [
                await send(it.url(scheme="https"), by=strict),
                await send(it.url(scheme="https"), by=trusted),
                await send(it.url(scheme="https", host="good.example"), by=trusted),
                await send(it.url(scheme="https", host="other.example"), by=trusted),
            ]

    unknown, address, name, other = asyncio.run(scenario())

    assert unknown.error is ErrorKind.TLS
    assert (address.status, name.status) == (200, 200)
    assert other.error is ErrorKind.TLS
    assert "other.example" in other.detail


def test_a_receiver_that_speaks_no_tls_is_a_tls_error() -> None:
    async def scenario() -> Answer:
        async def hello(reader: Reader, writer: Writer) -> None:
            with closing(writer):
                await reader.read(1)
                writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                await writer.drain()
                await reader.read()

        server = await asyncio.start_server(hello, "127.0.0.1", 0)
        async with server:
            return await send(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")

    assert asyncio.run(scenario()).error is ErrorKind.TLS


def test_a_tls_handshake_that_stalls_is_left_at_the_deadline() -> None:
    async def scenario() -> tuple[Answer, float]:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            started = time.monotonic()
            answer = await send(f"https://127.0.0.1:{silent.getsockname()[1]}/", deadline_s=0.3)
            return answer, time.monotonic() - started

    answer, took = asyncio.run(scenario())

    assert answer.error is ErrorKind.TIMEOUT
    assert took < 0.3 + GRACE_S
