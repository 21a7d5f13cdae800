"""Tell whoever asked for it: a message, a delivery an endpoint, and attempts until one succeeds.

A delivery meets the rooms in this order:

    endpoints/   who is to be told of what, and where: made, changed, paused, disabled
    secrets/     what their webhooks are signed with
    fan_out/     from what happened to one message, and to a delivery for each endpoint that asks
    shards/      which sender sends to which endpoints
    pump/        the event loop of a sender: claim, send, record, and again
    claiming/    what is due (`due.py`) and may be sent now: then it is in a sender's hands (`claimed.py`)
    memory/      what a sender remembers between its looks: who is slow, fails, or has a backlog
    webhook.py   what is sent, and what the answer means: a `sending.py`, signed by `signature.py`
    websub/      the same for subscribers of feeds
    wire/        the HTTP client, for receivers that hang, lie or attack
    recording/   what came of it (`outcome.py`), and when it is tried again (`schedule.py`)
    replaying/   the past, sent again
    history/     what was sent, shown, and forgotten when it has to be

Who changes several deliveries locks them first, by `locking.py`.

`lint-imports` knows which room may import which.
"""
