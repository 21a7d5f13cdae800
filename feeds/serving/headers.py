"""Headers of what readers get: who may keep it, for how long, and which scripts may read it."""

from collections.abc import Mapping

CACHING = "public, max-age=0, must-revalidate"
"""Caches may keep everything and have to ask each time, so that a takedown holds for them, too, at once."""

PRIVATE_CACHING = "private, max-age=0, must-revalidate"
"""The same for the reader's own cache, and for nobody else's."""

FOR_EVERYBODY: Mapping[str, str] = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Delta-Base, ETag, IM, Link",
}
"""Of what scripts on pages of others may read as well."""

ASKED_BEFORE: Mapping[str, str] = {
    **FOR_EVERYBODY,
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "A-IM, If-Modified-Since, If-None-Match",
    "Access-Control-Max-Age": "86400",
}
"""The answer to what browsers ask before such a script sends conditions."""

OF_DELTAS: Mapping[str, str] = {
    "IM": "feed",
    "Cache-Control": "no-store, im",
    "Vary": "A-IM, If-None-Match, Accept-Encoding",
}
"""A delta is good for who has the rest: caches keep it only if they know what it is (RFC 3229, 10.8)."""

UNSNIFFED: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
"""As the API's edge sets them: what is answered from memory does not pass there."""
