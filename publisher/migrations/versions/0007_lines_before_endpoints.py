"""What waits for an endpoint is found by the endpoint, too; a retraction goes before all that waits."""

from alembic import op

revision = "0007"
down_revision = "0006"

_STATEMENTS = (
    "ALTER TABLE delivery ADD COLUMN urgent BOOLEAN DEFAULT false NOT NULL",
    "CREATE INDEX delivery_urgent ON delivery (shard, next_attempt_at) WHERE state = 'pending' AND urgent",
    "CREATE INDEX delivery_waiting ON delivery (endpoint_id, next_attempt_at) WHERE state = 'pending'",
    "CREATE INDEX delivery_line ON delivery (endpoint_id, message_id) WHERE state = 'pending'",
)


def upgrade() -> None:
    """Add what is new; senders of the version before go on as they did."""
    for statement in _STATEMENTS:
        op.execute(statement)
