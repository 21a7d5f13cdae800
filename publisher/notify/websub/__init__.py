"""WebSub: what subscribers of feeds ask of our hub, and what they are sent.

Source: https://www.w3.org/TR/websub/ (Recommendation of 23 January 2018); its words are used here: a
subscriber asks for a topic, which is a feed's own URL, to be sent to a callback, for the time of a lease.
"""
