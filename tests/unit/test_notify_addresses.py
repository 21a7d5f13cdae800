"""Which addresses and URLs webhooks may go to."""

import socket
import threading
import time
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.errors import InvalidInput
from publisher.notify.endpoints.destination import check_name, check_url, host_of
from publisher.notify.wire.addresses import is_allowed_address

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

PRIVATE = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:2::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.0.1",
    "172.32.0.1",
    "223.255.255.255",
]
PUBLIC_V6 = ["2606:4700:4700::1111", "2a00:1450:4001::200e", "2001:4860:4860::8888", "2400:cb00::1"]


@pytest.mark.parametrize("text", PRIVATE)
def test_private_and_reserved_addresses_are_refused(text: str) -> None:
    assert not is_allowed_address(ip_address(text), ())


@pytest.mark.parametrize("text", PUBLIC + PUBLIC_V6)
def test_public_addresses_are_allowed(text: str) -> None:
    assert is_allowed_address(ip_address(text), ())


@given(st.integers(0, 2**32 - 1))
def test_every_ipv4_address_inside_another_format_is_refused(number: int) -> None:
    carried = [
        IPv6Address(number),  # compatible
        IPv6Address((0xFFFF << 32) | number),  # mapped
        IPv6Address((0x0064FF9B << 96) | number),  # NAT64
        IPv6Address((0x2002 << 112) | (number << 80)),  # 6to4
        IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF)),  # Teredo
    ]

    assert not any(is_allowed_address(address, ()) for address in carried)


@given(st.integers(0, 2**32 - 1))
def test_what_python_calls_private_is_never_allowed(number: int) -> None:
    address = IPv4Address(number)

    assert not (is_allowed_address(address, ()) and (address.is_private or address.is_multicast))


def test_an_allowed_network_opens_itself_and_nothing_else() -> None:
    allowed = (ip_network("10.1.0.0/16"),)

    assert is_allowed_address(ip_address("10.1.2.3"), allowed)
    assert not is_allowed_address(ip_address("10.2.0.1"), allowed)
    assert not is_allowed_address(ip_address("::ffff:10.1.2.3"), allowed)


REFUSED_URLS = [
    "",
    "example.org/hook",
    "//example.org/hook",
    "https:/example.org",
    "https://",
    "https:///hook",
    "https://:443/",
    "http://example.org/hook",
    "ftp://example.org/",
    "file:///etc/passwd",
    "gopher://example.org/",
    "javascript:alert(1)",
    "https://user@example.org/",
    "https://user:secret@example.org/",
    "https://@example.org/",
    "https://good.example\\@127.0.0.1/",
    "https://example.org/#part",
    "https://example.org/a b",
    "https://example.org/\r\nHost: x",
    "https://example.org/\n",
    " https://example.org/",
    "https://example.org\t/",
    "https://example.org/\x00",
    "https://example.org/tin-tức",
    "https://tin-tức.example/",
    "https://example.org:0/",
    "https://example.org:65536/",
    "https://example.org:/",
    "https://example.org:80:80/",
    "https://example.org:８０/",
    "https://exa%6dple.org/",
    "https://a..b/",
    "https://.example.org/",
    "https://./",
    "https://-a.example/",
    "https://" + "a" * 64 + ".example/",
    "https://" + "a." * 130 + "example/",
    "https://example.org/" + "a" * 2048,
    "https://localhost/",
    "https://LOCALHOST:8000/",
    "https://localhost./",
    "https://api.localhost/",
    "https://127.0.0.1/",
    "https://127.0.0.1./",
    "https://127.1/",
    "https://0x7f000001/",
    "https://0X7F.1/",
    "https://2130706433/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://0x7f.0.0.1/",
    "https://127.0.0.01/",
    "https://1.2.3.4.5/",
    "https://256.1.1.1/",
    "https://0/",
    "https://0x/",
    "https://１２７.０.０.１/",
    "https://①②⑦.0.0.1/",
    "https://127。0。0。1/",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
    "https://[fd00::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[v1.fe80]/",
    "https://[127.0.0.1]/",
    "https://[::1/",
    "https://::1/",
    "https://169.254.169.254/latest/meta-data/",
]


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_a_url_that_leads_astray_is_refused_with_the_field_named(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_url(url, allowed=(), allow_http=False)

    (problem,) = caught.value.problems
    assert problem.pointer == "/url"
    assert problem.detail
    assert problem.detail.isprintable()


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org",
        "https://example.org/hook?a=%2f&b=c+d",
        "HTTPS://Example.ORG:8443/Hook",
        "https://example.org?x=1",
        "https://example.org./hook",
        "https://xn--tin-tc-8ya.example/",
        "https://hooks_1.example/",
        "https://8.8.8.8/",
        "https://[2606:4700:4700::1111]:8443/hook",
        "https://3com.example/",
        "https://example.org:443/~user/;v=1/*!$&'()",
    ],
)
def test_a_public_https_url_is_accepted(url: str) -> None:
    check_url(url, allowed=(), allow_http=False)


def test_plain_http_needs_its_setting() -> None:
    check_url("http://example.org/", allowed=(), allow_http=True)

    with pytest.raises(InvalidInput, match=r"must start with https://$"):
        check_url("http://example.org/", allowed=(), allow_http=False)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "api.localhost", "[::1]:8000"])
def test_loopback_is_accepted_where_its_network_is_allowed(host: str) -> None:
    check_url(f"http://{host}/hook", allowed=LOOPBACK, allow_http=True)


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.1.", "[::ffff:127.0.0.1]"]
)
def test_an_odd_spelling_is_refused_even_where_the_address_is_allowed(host: str) -> None:
    with pytest.raises(InvalidInput):
        check_url(f"http://{host}/hook", allowed=LOOPBACK, allow_http=True)


@given(st.text())
def test_any_text_is_either_a_url_or_refused(text: str) -> None:
    for url in (text, f"https://{text}", f"https://{text}/", f"https://example.org/{text}"):
        with suppress(InvalidInput):
            check_url(url, allowed=(), allow_http=False)
            assert url.isascii()
            assert host_of(url)


@given(st.ip_addresses(v=4), st.sampled_from(["hex", "octal", "number", "short"]))
def test_no_odd_spelling_of_any_ipv4_address_is_accepted(address: IPv4Address, spelling: str) -> None:
    first, second, third, fourth = address.packed
    host = {
        "hex": f"0x{int(address):x}",
        "octal": f"0{first:o}.0{second:o}.0{third:o}.0{fourth:o}",
        "number": str(int(address)),
        "short": f"{first}.{int(address) & 0xFFFFFF}",
    }[spelling]

    with pytest.raises(InvalidInput):
        check_url(f"https://{host}/", allowed=(), allow_http=False)


def test_a_name_with_one_bad_address_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"example\.org resolves to 10\.0\.0\.1"):
        check_name("https://Example.org/hook", allowed=(), lookup=lambda _: ["93.184.216.34", "10.0.0.1"])


def test_a_name_with_public_addresses_is_accepted() -> None:
    asked: list[str] = []

    check_name(
        "https://example.org:8443/?a", allowed=(), lookup=lambda name: asked.append(name) or ["8.8.8.8"]
    )

    assert asked == ["example.org"]


def test_a_name_inside_an_allowed_network_is_accepted() -> None:
    check_name("http://localhost:8000/", allowed=LOOPBACK)


def test_a_name_that_does_not_resolve_yet_is_accepted() -> None:
    def unknown(name: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, name)

    check_name("https://later.example/", allowed=(), lookup=unknown)


def test_a_slow_name_server_does_not_hold_the_check_up() -> None:
    released = threading.Event()

    def slow(_: str) -> list[str]:
        released.wait(30)
        return ["10.0.0.1"]

    started = time.monotonic()
    check_name("https://slow.example/", allowed=(), lookup=slow, timeout_s=0.1)
    took = time.monotonic() - started
    released.set()

    assert took < 5


def test_an_address_is_not_looked_up() -> None:
    def never(name: str) -> list[str]:
        raise AssertionError(name)

    check_name("https://[2606:4700:4700::1111]/", allowed=(), lookup=never)
    check_name("https://8.8.8.8/", allowed=(), lookup=never)
