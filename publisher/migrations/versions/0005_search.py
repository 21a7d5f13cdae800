"""Articles can be searched: a row beside each entry, with its words."""

from alembic import op

revision = "0005"
down_revision = "0004"

_STATEMENTS = (
    # With the entry it goes, also where the version before takes articles down.
    """
    CREATE TABLE article_search (
        article_id UUID NOT NULL,
        sequence INTEGER NOT NULL,
        document TSVECTOR NOT NULL,
        PRIMARY KEY (article_id),
        FOREIGN KEY(article_id) REFERENCES entry (article_id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX article_search_document ON article_search USING gin (document)",
)


def upgrade() -> None:
    """Make an empty table; housekeeping fills it by and by, for the words are found by our own code."""
    for statement in _STATEMENTS:
        op.execute(statement)
