"""What senders know of endpoints that fail stands in the record."""

from alembic import op

revision = "0008"
down_revision = "0007"

_STATEMENTS = (
    """
    ALTER TABLE endpoint
        ADD COLUMN failing_since TIMESTAMP WITH TIME ZONE,
        ADD COLUMN failed_at TIMESTAMP WITH TIME ZONE,
        ADD COLUMN breaks SMALLINT DEFAULT 0 NOT NULL,
        ADD COLUMN broken_until TIMESTAMP WITH TIME ZONE
    """,
)


def upgrade() -> None:
    """Add what is new; senders of the version before know of no circuits."""
    for statement in _STATEMENTS:
        op.execute(statement)
