"""Spans around requests, steps and attempts, for those who trace.

W3C's `traceparent` travels with an article whether or not anybody traces: from the API through events,
obligations and messages to the receivers. Only `exporting.py` knows OpenTelemetry, which is an extra.
"""
