"""The comparison of transports behind httpx's API, where the packages of some are missing."""

import asyncio
import sys

import pytest

from benchmarks.transports.authority import write_certificates
from benchmarks.transports.candidates import NotInstalled, Wanted, candidate, request
from benchmarks.transports.turn import exchange
from tests.receivers import Receivers


@pytest.mark.parametrize("name", ["bare", "ours", "aiohttp", "httpx"])
def test_transports_of_the_project_s_own_packages_can_always_be_compared(name, tmp_path):
    wanted = Wanted(connections=1, authority=write_certificates(tmp_path, []))

    async def status(url: str) -> int:
        one = candidate(name)
        transport = one.transport(wanted)
        try:
            told, _ = await exchange(transport, request(one, url, {}, b"{}", deadline_s=5))
        finally:
            await transport.aclose()
        return told

    with Receivers() as receivers:
        assert 204 == asyncio.run(status(receivers.url()))


def test_a_transport_whose_package_is_missing_is_left_out_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx_aiohttp", None)

    with pytest.raises(NotInstalled) as left_out:
        candidate("httpx-aiohttp")

    assert "httpx-aiohttp: left out, httpx_aiohttp is not installed" == str(left_out.value)
