"""Atom and RSS through feedgen, whose traps are worked around in extensions, one comment a trap.

feedgen asks its extensions last, with the finished element tree in hand: there they put right what it wrote,
and add what it cannot say.
An entry of one format is a FeedEntry of its own, because most of its setters write into both formats at once.
"""

from feeds.feedgen_fixes.atom import atom_entry, atom_feed, atom_fragment
from feeds.feedgen_fixes.rss import rss_feed, rss_fragment, rss_item

__all__ = ["atom_entry", "atom_feed", "atom_fragment", "rss_feed", "rss_fragment", "rss_item"]
