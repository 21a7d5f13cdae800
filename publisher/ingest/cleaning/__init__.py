"""What strangers write made safe: their HTML, its attributes, and the addresses in it."""
