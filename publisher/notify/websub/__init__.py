"""WebSub: what subscribers of feeds ask of our hub, and what they are sent.

    feeds/hub_http.py ──► form ──► subscriptions.ask ─► a verification, and its delivery
    feeds/push.py ─────► topics (the newest document) ─► owing (a delivery a subscription)
    the pump ─► loading ─► verification │ distribution ─► recording/ ─► subscriptions.confirm, ending

A subscription is an endpoint that has a topic; docs/decisions/0023 says why.

Source: https://www.w3.org/TR/websub/ (Recommendation of 23 January 2018). Its words are used here: a
subscriber asks for a topic, which is a feed's own URL, to be sent to a callback, for the time of a lease.
"""
