"""Web addresses in articles: what we accept as one, and relative ones made absolute."""

import re
import unicodedata
from urllib.parse import quote, urljoin, urlsplit

from publisher.text import clean

LONGEST_ADDRESS = 2_000
_EXPECTED = "expected an absolute http or https address such as https://example.org/article"
# RFC 3986 leaves these out; whoever types one means its escape. `%` stays: it has been escaped before.
_UNSAFE = re.compile('[ "<>`{}|^]')
_LINE_BREAKS = re.compile("[\t\n\r]")


def address_problem(url: str) -> str | None:
    """Return what was expected instead of this web address, or None if it is one.

    It has to be absolute, http or https, with a host, without user name and password, and free of
    spaces, control and invisible characters, so that it works wherever it is put.
    """
    if len(url) > LONGEST_ADDRESS:
        return f"expected at most {LONGEST_ADDRESS} characters"
    if clean(url) != unicodedata.normalize("NFC", url) or _LINE_BREAKS.search(url):
        return "expected an address without control or invisible characters"
    if _UNSAFE.search(url) or "\\" in url:
        return "expected an address without spaces, quotes, brackets or backslashes (escape them: %20)"
    try:
        parts = urlsplit(url)
        host, has_user = parts.hostname, parts.username is not None
        parts.port  # noqa: B018 - reading it is the check
    except ValueError:
        return _EXPECTED
    if parts.scheme not in ("http", "https") or not host:
        return _EXPECTED
    return "expected an address without user name and password" if has_user else None


def absolute_address(url: str, base_url: str | None) -> str | None:
    """Return the address that a link in a page means, or None if it leads to nothing on the web."""
    written = _LINE_BREAKS.sub("", clean(url)).strip().replace("\\", "/")
    safe = _UNSAFE.sub(lambda character: quote(character[0]), written)
    try:
        relative = base_url is not None and not safe.startswith(("http://", "https://"))
        joined = urljoin(base_url or "", safe) if relative else safe
    except ValueError:
        return None
    if not safe or address_problem(joined) is not None:
        return None
    return joined
