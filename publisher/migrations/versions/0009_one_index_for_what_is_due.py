"""What is due in a shard is found by one index only, whatever the planner has last seen in the table."""

from alembic import op

revision = "0009"
down_revision = "0008"

_STATEMENTS = (
    # What dropping the index takes in the end, first: whoever waits then has nothing that we wait for.
    "LOCK TABLE delivery IN ACCESS EXCLUSIVE MODE",
    "CREATE INDEX delivery_next ON delivery (shard, next_attempt_at) WHERE next_attempt_at IS NOT NULL",
    "UPDATE delivery SET next_attempt_at = NULL WHERE next_attempt_at IS NOT NULL AND state <> 'pending'",
    "DROP INDEX delivery_due",
    "ALTER INDEX delivery_next RENAME TO delivery_due",
)


def upgrade() -> None:
    """Put the new index in the old one's place; senders of the version before use it, too.

    Whoever uses deliveries waits meanwhile: some seconds where there are millions.
    """
    for statement in _STATEMENTS:
        op.execute(statement)
