"""Feeds for one reader each, behind an address that nobody guesses."""

from alembic import op

revision = "0004"
down_revision = "0003"

_STATEMENTS = (
    """
    CREATE TABLE private_feed (
        id UUID NOT NULL,
        name TEXT NOT NULL,
        label_id UUID NOT NULL,
        digest BYTEA NOT NULL,
        owner UUID,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        rotated_at TIMESTAMP WITH TIME ZONE,
        revoked_at TIMESTAMP WITH TIME ZONE,
        PRIMARY KEY (id),
        UNIQUE (digest),
        FOREIGN KEY(label_id) REFERENCES label (id)
    )
    """,
)


def upgrade() -> None:
    """Add what is new; code of the version before goes on with it."""
    for statement in _STATEMENTS:
        op.execute(statement)
