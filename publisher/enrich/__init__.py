"""Stage 2, what an article is about: pure functions, text in, Enrichment out."""
