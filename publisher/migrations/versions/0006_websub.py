"""Feeds can be subscribed to (WebSub): a subscription is an endpoint that has a topic."""

from alembic import op

revision = "0006"
down_revision = "0005"

_STATEMENTS = (
    """
    CREATE TABLE topic (
        id UUID NOT NULL,
        label_id UUID NOT NULL,
        format TEXT NOT NULL,
        url TEXT NOT NULL,
        digest BYTEA,
        token BYTEA,
        stand_in TEXT,
        generation BIGINT DEFAULT 0 NOT NULL,
        changed_at TIMESTAMP WITH TIME ZONE,
        content_type TEXT,
        link TEXT,
        body BYTEA,
        subscribed_until TIMESTAMP WITH TIME ZONE,
        PRIMARY KEY (id),
        FOREIGN KEY(label_id) REFERENCES label (id)
    )
    """,
    # Written anew with every change of the feed: to pack it each time would cost more than to store it.
    "ALTER TABLE topic ALTER COLUMN body SET STORAGE EXTERNAL",
    "CREATE UNIQUE INDEX topic_feed ON topic (label_id, format, digest) NULLS NOT DISTINCT",
    "ALTER TABLE endpoint ADD COLUMN topic_id UUID REFERENCES topic (id)",
    "ALTER TABLE endpoint ADD COLUMN host TEXT",
    "ALTER TABLE endpoint ADD COLUMN expires_at TIMESTAMP WITH TIME ZONE",
    "CREATE UNIQUE INDEX endpoint_callback ON endpoint (topic_id, url) WHERE topic_id IS NOT NULL",
    "CREATE INDEX endpoint_topic ON endpoint (topic_id, id) WHERE topic_id IS NOT NULL",
    "CREATE INDEX endpoint_host ON endpoint (host, topic_id) WHERE topic_id IS NOT NULL",
    # Fan-outs look for endpoints by their filters, and subscribers have none.
    "DROP INDEX endpoint_filter",
    """
    CREATE INDEX endpoint_filter ON endpoint (filter_hash, id) WHERE deleted_at IS NULL AND topic_id IS NULL
    """,
    """
    CREATE TABLE verification (
        id UUID NOT NULL,
        endpoint_id UUID NOT NULL,
        mode TEXT NOT NULL,
        lease_s INTEGER,
        challenge TEXT NOT NULL,
        secret BYTEA,
        reason TEXT,
        generation BIGINT DEFAULT 0 NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (id),
        FOREIGN KEY(endpoint_id) REFERENCES endpoint (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX verification_endpoint ON verification (endpoint_id)",
)


def upgrade() -> None:
    """Add what is new; senders of the version before cancel what subscribers are owed."""
    for statement in _STATEMENTS:
        op.execute(statement)
