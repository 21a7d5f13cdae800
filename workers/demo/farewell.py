"""What the demo leaves its visitors with: the result, the addresses to open, a line to paste."""

import json
import os
import shlex
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from workers.demo.board import Journey
from workers.demo.report import Report
from workers.demo.screen import journeys_table, print_plainly

_ONE_MORE = {
    "guid": "xin-chao",
    "title": "Xin chào từ dòng lệnh",
    "content_text": "Bài viết này được gửi bằng curl.",
    "categories": ["Xã hội"],
}
_PROXIES = ("http_proxy", "all_proxy", "ALL_PROXY")


def print_result(console: Console, journeys: Sequence[Journey], result: Report) -> None:
    """Print each article with its times, and whether everything arrived."""
    console.print(journeys_table(journeys, width=console.width))
    console.print()
    numbers = (
        f"{_counted(result.articles, 'article')}, {_counted(result.feeds, 'feed document')},"
        f" {_counted(result.webhooks, 'webhook')} ({result.verified} verified)"
    )
    if result.complete:
        console.print(Text(f"Everything arrived: {numbers}.", style="bold green"))
        return
    console.print(Text(f"Not everything arrived: {numbers}. Missing:", style="bold red"))
    for sentence in result.missing:
        print_plainly(console, f"  {sentence}")


def print_addresses(console: Console, addresses: Mapping[str, str]) -> None:
    """Print what can be opened, a line each."""
    console.print()
    for name, address in addresses.items():
        print_plainly(console, f"  {name:<10} {address}")


def print_invitation(console: Console, url: str, key: str) -> None:
    """Print the key, and the line that sends in one more article."""
    print_plainly(console, f"  {'API key':<10} {key}")
    console.print()
    console.print(Text("Send in one more article:", style="bold"))
    print_plainly(console, curl_line(url, key))
    console.print()
    print_plainly(console, "Ctrl-C stops everything.")


def addresses(url: str) -> dict[str, str]:
    """Return what can be opened in a browser or a reader."""
    return {
        "index": f"{url}/",
        "Atom": f"{url}/feeds/all.atom",
        "RSS": f"{url}/feeds/all.rss",
        "JSON Feed": f"{url}/feeds/all.json",
        "API": f"{url}/docs",
    }


def curl_line(url: str, key: str) -> str:
    """Return a line for a shell that sends in an article."""
    past_proxies = ["--noproxy", "*"] if any(os.environ.get(name) for name in _PROXIES) else []
    arguments = [
        *("curl", "-sS", *past_proxies, f"{url}/v1/articles"),
        *("-H", f"Authorization: Bearer {key}", "-H", "Content-Type: application/json"),
        *("-d", json.dumps(_ONE_MORE, ensure_ascii=False)),
    ]
    return shlex.join(arguments)


def _counted(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
