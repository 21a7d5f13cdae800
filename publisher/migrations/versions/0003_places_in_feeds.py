"""Articles have places in feeds; documents are made where they are served, and stored nowhere."""

from alembic import op

revision = "0003"
down_revision = "0002"

_STATEMENTS = (
    "ALTER TABLE feed ADD COLUMN changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,"
    " ADD COLUMN last_position BIGINT DEFAULT '0' NOT NULL",
    "ALTER TABLE article_label ADD COLUMN position BIGINT",
    """
    UPDATE article_label SET position = placed.position FROM (
        SELECT article_id, label_id,
            row_number() OVER (PARTITION BY label_id ORDER BY first_visible_at, article_id) AS position
        FROM article_label JOIN entry USING (article_id)
    ) AS placed
    WHERE (article_label.article_id, article_label.label_id) = (placed.article_id, placed.label_id)
    """,
    """
    UPDATE feed SET last_position = counted.articles FROM (
        SELECT label_id, count(position) AS articles FROM article_label GROUP BY label_id
    ) AS counted
    WHERE feed.label_id = counted.label_id
    """,
    "CREATE UNIQUE INDEX article_label_position ON article_label (label_id, position)"
    " WHERE position IS NOT NULL",
    "DROP INDEX article_label_newest",
    # Whoever changes a feed, by whatever version of the code: all who serve it hear of it with the commit.
    # And the version before serves no stored document that is older, but makes one on the spot.
    """
    CREATE FUNCTION feed_changes() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.required_generation := NEW.generation;
        PERFORM pg_notify('feeds', replace(NEW.label_id::text, '-', ''));
        RETURN NEW;
    END
    $$
    """,
    "CREATE TRIGGER feed_changes BEFORE UPDATE OF generation ON feed"
    " FOR EACH ROW EXECUTE FUNCTION feed_changes()",
)


def upgrade() -> None:
    """Give every article that readers see its place; what the version before needs besides stays."""
    for statement in _STATEMENTS:
        op.execute(statement)
