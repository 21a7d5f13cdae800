"""What came of attempts, into the record: many reports in one transaction, while their shards are ours.

`flush.py` writes deliveries, `noting.py` what it tells of their endpoints, `settling.py` what it means beyond
that, for an endpoint or a subscription. The room knows neither claiming nor the loop.
"""
