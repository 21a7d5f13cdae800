"""Documents on their way to readers: made once, kept while they are good, answered for from memory."""
