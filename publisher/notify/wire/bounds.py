"""How much of what a receiver sends is read, and how much is sent to it on a connection that is kept."""

MAX_BODY_BYTES = 16 * 1024
"""Of a body, so much is read; then it counts as over."""

MOST_HEADERS = 128
"""Lines in the head of an answer, and after its body."""

MAX_HEAD_BYTES = 256 * 1024
"""Of a head, with the informational ones before it."""

LENIENT_BYTES = 8 * 1024
"""Of an answer: in so many, lines may be folded and hold control characters, as some servers write them.

To join the parts of a folded line takes time that grows with the square of their number."""

MAX_BYTES = 1024 * 1024
"""Of an answer as it arrives, with everything that is neither head nor body."""

MOST_INFORMATIONAL = 16
"""Answers (1xx) before the real one: RFC 9110, section 15.2, allows any number; servers send one or two."""

LONG_BYTES = 64 * 1024
"""No connection is used again that a longer request went out on: TLS does not tell how much of it is left."""
