"""Where a document lies: a feed, a page of its archive, or what a search finds, each in one format."""

from feeds.catalog import FeedAddress, PrivateAddress
from feeds.search.address import SearchAddress

Address = FeedAddress | PrivateAddress | SearchAddress
"""`path` is what a document is kept under, and no other leads to it.

`is_private` tells whether only one reader knows it; `is_renewed` whether it is made anew before anybody asks,
if somebody did lately; `is_topic` whether what is new there can be subscribed to (WebSub).
"""
