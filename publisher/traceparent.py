"""The trace that a request belongs to, as W3C Trace Context writes it."""

import re
from collections.abc import Sequence

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_VERSION_0_LENGTH = 55


def traceparent_of(headers: Sequence[str]) -> str | None:
    """Return the trace that the `traceparent` headers of a request name.

    None where there is none, or several, or a malformed one: it is ignored, never refused. Of a version
    after 00 the part that 00 defines is kept.

    Source: W3C Trace Context, “traceparent Header Field Values” and “Versioning of traceparent”.
    """
    if len(headers) != 1 or not _TRACEPARENT.fullmatch(headers[0]):
        return None
    header = headers[0]
    if header.startswith("00-") and len(header) != _VERSION_0_LENGTH:
        return None
    return "00" + header[2:_VERSION_0_LENGTH]
