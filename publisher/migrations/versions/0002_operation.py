"""What operating needs: traces, how long it took, pauses, and finding what is old."""

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = (
    "ALTER TABLE event ADD COLUMN traceparent TEXT",
    "ALTER TABLE event_task ADD COLUMN traceparent TEXT",
    "ALTER TABLE message ADD COLUMN traceparent TEXT, ADD COLUMN accepted_at TIMESTAMP WITH TIME ZONE",
    "ALTER TABLE endpoint ADD COLUMN paused_at TIMESTAMP WITH TIME ZONE",
    """
    CREATE TABLE pause (
        task TEXT NOT NULL,
        since TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        reason TEXT,
        PRIMARY KEY (task)
    )
    """,
    # Rows lie about in the order in which they came: such an index costs next to nothing.
    "CREATE INDEX delivery_message_time ON delivery USING brin (message_time)"
    " WITH (pages_per_range = 32, autosummarize = on)",
    "CREATE INDEX tombstone_retracted ON tombstone (retracted_at)",
)


def upgrade() -> None:
    """Add what is new; code of the version before goes on with it."""
    for statement in _STATEMENTS:
        op.execute(statement)
