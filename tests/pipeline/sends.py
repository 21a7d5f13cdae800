"""How often each obligation was handed to Redis: counted in the record itself, whatever becomes of Redis."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from publisher.database import Sessions

# What is returned while its lease holds (it could not be sent, was postponed, or there was no time for it)
# is not lost, so sending it later is not sending it again.
_WATCH = """
CREATE SCHEMA watched;
CREATE TABLE watched.sent (task text, event_id uuid, token uuid);
CREATE FUNCTION watched.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.token IS NOT NULL THEN
        INSERT INTO watched.sent VALUES (NEW.task, NEW.event_id, NEW.token);
    ELSIF OLD.lease_until > clock_timestamp() THEN
        DELETE FROM watched.sent WHERE token = OLD.token AND event_id = OLD.event_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER watched AFTER UPDATE ON event_task
    FOR EACH ROW WHEN (NEW.token IS DISTINCT FROM OLD.token) EXECUTE FUNCTION watched.note()
"""
_FORGET = "DROP SCHEMA watched CASCADE"
_COUNT = "SELECT task, event_id::text, count(*) FROM watched.sent GROUP BY 1, 2"


class Sends:
    """What was sent since the watching began."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def counted(self, task: str | None = None) -> Counter[tuple[str, str]]:
        """Return how often each obligation was sent, by task and event; of one task, or of all."""
        with self._sessions() as session:
            rows = session.execute(text(_COUNT)).all()
        return Counter({(name, event): count for name, event, count in rows if task in (None, name)})


@contextmanager
def counting_sends(sessions: Sessions) -> Iterator[Sends]:
    """Count from now on, until the block ends."""
    with sessions.begin() as session:
        session.execute(text(_WATCH))
    try:
        yield Sends(sessions)
    finally:
        with sessions.begin() as session:
            session.execute(text(_FORGET))
