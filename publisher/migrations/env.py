"""How Alembic reaches the database: over the connection that `migrate` hands it."""

from alembic import context

from publisher.schema import Row

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Row.metadata,
    # Locks are held for one migration, not for all of them.
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
