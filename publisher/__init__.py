"""What an article is, and what happens to it on the way to its readers.

An article meets the stages in this order, and each has a room of its own:

    ingest/      from an API call, a page, a scraped text to one Submission, and into the record
    enrich/      what the article is about: pure functions, text in, Enrichment out
    publish.py   embargo, correction: what is public, and under which labels; retract.py takes it back
    notify/      fan out, sign, send, retry, disable: endpoints and their deliveries

`article.py` names the things that all of them speak of, `events.py` what they tell each other,
`outbox/` how.
The package knows no queue and no server: `workers/` runs it, `feeds/` shows it to readers.
"""

__version__ = "0.1.0"
