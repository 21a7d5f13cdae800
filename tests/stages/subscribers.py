"""Endpoints that tests register and owe messages to, without the stages before."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, insert, select, update

from publisher.database import Sessions
from publisher.events import EventType
from publisher.ids import new_id
from publisher.notify.endpoints.endpoint_in import EndpointIn
from publisher.notify.endpoints.store import create
from publisher.notify.outcome import DeliveryState
from publisher.notify.secrets.box import SecretBox
from publisher.schema import AttemptRow, DeliveryRow, EndpointRow, MessageRow, SenderRow, ShardLeaseRow

BOX = SecretBox("a key that only tests use")
BODY = '{"type":"article.published","data":{"title":"Đường mới"}}'.encode()
UrlOf = Callable[[str, int], str]


def example_url(path: str, host: int) -> str:
    """Return a URL that nothing is ever sent to."""
    return f"https://host-{host}.example{path}"


class Subscribers:
    """Endpoints, and what is owed to them."""

    def __init__(self, sessions: Sessions, url_of: UrlOf = example_url, *, box: SecretBox = BOX) -> None:
        self.sessions = sessions
        self._box = box
        self._url_of = url_of
        self.secrets: dict[UUID, bytes] = {}

    def subscribe(self, path: str = "/", *, host: int = 1, **members: object) -> UUID:
        """Register an endpoint at the n-th host; return its id."""
        wanted = EndpointIn.model_validate({"url": self._url_of(path, host), **members})
        with self.sessions.begin() as session:
            endpoint, secret = create(session, wanted, box=self._box)
        self.secrets[endpoint.id] = secret
        return endpoint.id

    def tell(self, *endpoint_ids: UUID, body: bytes | None = BODY, **columns: object) -> UUID:
        """Write a message and a delivery for each endpoint; return the message's id."""
        message = {"id": new_id(), "time": datetime.now(UTC), "type": EventType.ARTICLE_PUBLISHED}
        with self.sessions.begin() as session:
            session.execute(insert(MessageRow).values(**message, body=body))
            chosen = select(EndpointRow.id, EndpointRow.shard).where(EndpointRow.id.in_(endpoint_ids))
            rows = [
                {
                    "message_id": message["id"],
                    "message_time": message["time"],
                    "endpoint_id": row.id,
                    "shard": row.shard,
                    "sequence": 4,
                    "state": DeliveryState.PENDING,
                    "next_attempt_at": datetime.now(UTC) - timedelta(seconds=5),
                    **columns,
                }
                for row in session.execute(chosen)
            ]
            session.execute(insert(DeliveryRow), rows)
        identifier = message["id"]
        assert isinstance(identifier, UUID)
        return identifier

    def states(self) -> Counter[str]:
        """Return how many deliveries stand where."""
        with self.sessions() as session:
            return Counter(session.scalars(select(DeliveryRow.state)))

    def deliveries(self) -> list[DeliveryRow]:
        """Return every delivery."""
        with self.sessions() as session:
            return list(session.scalars(select(DeliveryRow)))

    def attempts(self) -> list[AttemptRow]:
        """Return every attempt, in the order of their numbers."""
        with self.sessions() as session:
            return list(session.scalars(select(AttemptRow).order_by(AttemptRow.number, AttemptRow.at)))

    def endpoint(self, endpoint_id: UUID) -> EndpointRow:
        """Return an endpoint's row."""
        with self.sessions() as session:
            return session.scalars(select(EndpointRow).where(EndpointRow.id == endpoint_id)).one()

    def due_in(self, seconds: float) -> None:
        """Let what waits for another attempt come due."""
        with self.sessions.begin() as session:
            due = func.now() + timedelta(seconds=seconds)
            pending = DeliveryRow.state == DeliveryState.PENDING
            session.execute(update(DeliveryRow).where(pending).values(next_attempt_at=due))

    def all_are(self, state: DeliveryState) -> bool:
        """Return whether every delivery stands there."""
        return set(self.states()) == {state}


def leases_end(sessions: Sessions, dead: UUID) -> None:
    """Let the leases of a dead sender run out now, instead of in five seconds."""
    with sessions.begin() as session:
        session.execute(update(ShardLeaseRow).where(ShardLeaseRow.holder == dead).values(until=func.now()))
        session.execute(
            update(SenderRow).where(SenderRow.id == dead).values(beat_at=func.now() - timedelta(seconds=30))
        )
