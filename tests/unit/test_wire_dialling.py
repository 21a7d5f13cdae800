"""Where connections go when there are several addresses, and what TLS makes of a bad receiver."""

import asyncio
import socket
import ssl
import struct
from datetime import timedelta
from pathlib import Path

import pytest

from publisher.notify.outcome import Answer, ErrorKind
from tests.certificates import self_signed
from tests.unit.scripted import OK, Reader, Receiver, Writer, answering, receiver
from tests.unit.wire import LoopFactory, client, eventually, on_both_loops, open_sockets, run, send


def dialled(addresses: list[str], *, host: str = "127.0.0.2", loop: LoopFactory) -> tuple[Answer, Receiver]:
    """Send to a name with these addresses; the receiver listens at one address only."""

    async def scenario() -> tuple[Answer, Receiver]:
        async with receiver(answering(OK), host=host) as it, client(lookup=lambda _: addresses) as made:
            before = open_sockets()
            answer = await send(it.url(host="many.example"), by=made)
            again = await send(it.url(host="many.example"), by=made)
            assert (again.status, again.address) == (answer.status, answer.address)
            await made.aclose()
            await eventually(lambda: open_sockets() == before)
            return answer, it

    return run(scenario(), loop=loop)


@pytest.mark.parametrize(
    ("addresses", "host"),
    [
        (["127.0.0.1", "127.0.0.2"], "127.0.0.2"),
        (["127.0.0.2", "127.0.0.1"], "127.0.0.2"),
        (["::1", "127.0.0.2"], "127.0.0.2"),
        (["127.0.0.2", "::1"], "::1"),
        (["127.0.0.1", "127.0.0.3", "127.0.0.2"], "127.0.0.2"),
    ],
)
@on_both_loops
def test_of_several_addresses_one_alive_is_enough(loop: LoopFactory, addresses: list[str], host: str) -> None:
    answer, it = dialled(addresses, host=host, loop=loop)

    assert (answer.status, answer.address) == (200, host)
    assert it.opened == 1


@on_both_loops
def test_of_several_addresses_none_alive_is_a_connect_error(loop: LoopFactory) -> None:
    answer, it = dialled(["127.0.0.1", "127.0.0.3"], loop=loop)

    assert answer.error is ErrorKind.CONNECT
    assert answer.address in ("127.0.0.1", "127.0.0.3")
    assert it.opened == 0


@pytest.mark.parametrize(
    "addresses", [["127.0.0.2", "10.0.0.1"], ["10.0.0.1", "127.0.0.2"], ["127.0.0.2", "fd00::1"]]
)
@on_both_loops
def test_of_several_addresses_one_refused_is_enough(loop: LoopFactory, addresses: list[str]) -> None:
    answer, it = dialled(addresses, loop=loop)

    assert (answer.error, answer.address) == (ErrorKind.REFUSED_ADDRESS, None)
    assert it.opened == 0


# TLS.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls") / "both.pem", until=timedelta(days=1))


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["127.0.0.3", "127.0.0.1"]])
@on_both_loops
def test_a_name_with_a_dot_at_its_end_is_asked_for_without_it(
    loop: LoopFactory, addresses: list[str], certificate: Path
) -> None:
    asked: list[str | None] = []
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    tls.sni_callback = lambda _, name, __: asked.append(name)
    trusting = ssl.create_default_context(cafile=str(certificate))

    async def scenario() -> list[Answer]:
        async with (
            receiver(answering(OK), tls=tls) as it,
            client(tls=trusting, lookup=lambda _: addresses) as made,
        ):
            before = open_sockets()
            answers = [
                await send(it.url(scheme="https", host=host), by=made)
                for host in ("good.example.", "other.example")
            ]
            await made.aclose()
            await eventually(lambda: open_sockets() == before)
            return answers

    good, other = run(scenario(), loop=loop)

    assert (good.status, other.error) == (200, ErrorKind.TLS)
    assert asked == ["good.example", "other.example"]


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x03\x00\x7a", b"\x15\x03\x03\x00\x02\x02\x28"])
@on_both_loops
def test_who_hangs_up_in_the_handshake_is_left_at_once(loop: LoopFactory, sent: bytes, reset: bool) -> None:
    async def hello(reader: Reader, writer: Writer) -> None:
        await reader.read(65536)
        writer.write(sent)
        await writer.drain()
        if reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    async def scenario() -> Answer:
        server = await asyncio.start_server(hello, "127.0.0.1", 0)
        async with server, client() as made:
            before = open_sockets()
            port = server.sockets[0].getsockname()[1]
            answer = await send(f"https://127.0.0.1:{port}/", by=made)
            await eventually(lambda: open_sockets() == before)
            return answer

    answer = run(scenario(), loop=loop)

    assert answer.status is None
    assert answer.error in (ErrorKind.TLS, ErrorKind.CONNECT)
    assert answer.detail
    assert "no complete answer within" not in answer.detail
    assert answer.duration_ms < 5_000
