"""The comparison of transports behind httpx's API, where a package of one is missing."""

import sys

import pytest

from benchmarks.transports.candidates import NotInstalled, candidate


def test_a_transport_whose_package_is_missing_is_left_out_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx_aiohttp", None)

    with pytest.raises(NotInstalled) as left_out:
        candidate("httpx-aiohttp")

    assert "httpx-aiohttp: left out, httpx_aiohttp is not installed" == str(left_out.value)
