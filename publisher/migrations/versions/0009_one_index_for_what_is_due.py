"""What is due in a shard is found by one index only, whatever the planner has last seen in the table."""

from alembic import op

revision = "0009"
down_revision = "0008"

_STATEMENTS = (
    "CREATE INDEX delivery_next ON delivery (shard, next_attempt_at) WHERE next_attempt_at IS NOT NULL",
    "DROP INDEX delivery_due",
    "ALTER INDEX delivery_next RENAME TO delivery_due",
)


def upgrade() -> None:
    """Put the new index in the old one's place; senders of the version before use it, too."""
    for statement in _STATEMENTS:
        op.execute(statement)
