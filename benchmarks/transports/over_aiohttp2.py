"""httpx-aiohttp for httpx2."""

import httpx2
from httpx_aiohttp.httpx2 import AiohttpTransport

from benchmarks.transports.over_aiohttp import OverAiohttp

CANDIDATE = OverAiohttp(httpx2, AiohttpTransport)
