"""Where a document lies: a feed, a page of its archive, or what a search finds, each in one format."""

from feeds.catalog import FeedAddress, PrivateAddress
from feeds.search.address import SearchAddress
from feeds.style import FeedStyle

Address = FeedAddress | PrivateAddress | SearchAddress
"""`path` is what a document is kept under, and no other leads to it.

`is_private` tells whether only one reader knows it; `is_renewed` whether it is made anew before anybody asks,
if somebody did lately; `is_topic` whether what is new there can be subscribed to (WebSub).
"""


def link_of(address: Address, style: FeedStyle) -> str:
    """Return the value of `Link`: the document's only address, and the hub of what can be subscribed to.

    Source: WebSub, section 4, “Discovery”.
    """
    own = f'<{style.base_url}{address.path}>; rel="self"; type="{address.format.media_type}"'
    return f'{own}, <{style.hub_url}>; rel="hub"' if address.is_topic else own
