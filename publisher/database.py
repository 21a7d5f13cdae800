"""The way to PostgreSQL: engines, sessions, and the wake-up call at the end of a transaction."""

from enum import StrEnum

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.orm import Session, sessionmaker

from publisher.events import Routes

Sessions = sessionmaker[Session]

# A stopped process must not hold others up: its locks and its transaction end without it.
_SESSION_OPTIONS = (
    "-c idle_in_transaction_session_timeout=5s -c tcp_keepalives_idle=10"
    " -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c timezone=UTC"
)
_ROUTES = "routes"
_WAKING = "waking"


class Channel(StrEnum):
    """What LISTEN hears: there is new work in a table."""

    OUTBOX = "outbox"
    DELIVERIES = "deliveries"


_WAKE_LOCKS = {Channel.OUTBOX: 0x0B0C5, Channel.DELIVERIES: 0xDE117}
_WAKE = text("SELECT pg_notify(:channel, '') WHERE pg_try_advisory_xact_lock(:lock)")


def connect(
    url: str, *, pool_size: int = 5, application_name: str = "publisher", lock_timeout_s: float = 4
) -> Engine:
    """Return an engine whose sessions cannot hold others up for long.

    Args:
        url: `postgresql+psycopg://…`.
        pool_size: connections at most; one more waits.
        lock_timeout_s: how long a statement waits for a lock that somebody else holds.
    """
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        pool_timeout=10,
        # Errors are logged, and parameters are the bodies of articles.
        hide_parameters=True,
        connect_args={
            "options": f"{_SESSION_OPTIONS} -c lock_timeout={lock_timeout_s}s",
            "application_name": application_name,
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
        },
    )


def sessions(engine: Engine, routes: Routes) -> Sessions:
    """Return a factory of sessions that know which tasks each event obliges."""
    factory = sessionmaker(engine, expire_on_commit=False, info={_ROUTES: routes})
    event.listen(factory, "before_commit", _send_wakes)
    return factory


def routes_of(session: Session) -> Routes:
    """Return the routes that `sessions` was given."""
    routes: Routes = session.info[_ROUTES]
    return routes


def wake(session: Session, channel: Channel) -> None:
    """Make the commit of this transaction wake whoever listens."""
    session.info.setdefault(_WAKING, set()).add(channel)


def _send_wakes(session: Session) -> None:
    # Right before the commit, and only by who gets the lock: a plain NOTIFY in every transaction takes one
    # lock for the whole server and forfeits group commit. Who is skipped is seen by the one that wakes now.
    for channel in sorted(session.info.pop(_WAKING, ())):
        session.execute(_WAKE, {"channel": channel, "lock": _WAKE_LOCKS[channel]})
