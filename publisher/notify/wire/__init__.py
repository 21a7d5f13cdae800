"""HTTP to receivers that hang, lie or attack: over connections of our own, which go only where they may.

    client.py            a request in, an answer out, by the deadline
    transport.py         httpx's transport: the connection that is taken, and what is written to it
    targets.py           where a request goes, as its URL says
    idle.py              connections that wait for a next request
    dialling.py          new ones, to what `names.py` found and `addresses.py` allows
    connection.py        one of them: an answer, read by llhttp, within `bounds.py`
    response_headers.py  what is kept of an answer's headers

Nothing else of the package names httpx or httptools. The room is given a request and returns an answer; it
knows no endpoint, no delivery and no record.
"""
