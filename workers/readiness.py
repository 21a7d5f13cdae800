"""Whether every process of this machine does its work already."""

import httpx
from sqlalchemy import text

from publisher.database import Sessions
from publisher.settings import Settings
from workers.connections import Kind, name_of
from workers.pipeline import app
from workers.supervisor import Supervisor

# Behind a pooler only the second is a connection of its own.
_KINDS = (Kind.RELAY, Kind.LISTEN)
_CONNECTIONS = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = ANY(:names)")
_PING_S = 0.3


class Readiness:
    """Asks each process until it has answered once."""

    def __init__(self, settings: Settings, url: str, sessions: Sessions) -> None:
        self._url = url
        self._sessions = sessions
        self._silent = ["web", "relay", "worker", "sender"]
        app.configure(settings)

    def silent(self, supervisor: Supervisor) -> list[str]:
        """Return those that have not answered yet."""
        answered = self._pings(supervisor) if {"worker", "sender"} & set(self._silent) else set()
        if "web" in self._silent and self._web():
            answered.add("web")
        if "relay" in self._silent and self._relay(supervisor.pid_of("relay")):
            answered.add("relay")
        self._silent = [name for name in self._silent if name not in answered]
        return self._silent

    def _web(self) -> bool:
        try:
            return httpx.get(f"{self._url}/readyz", trust_env=False, timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def _relay(self, pid: int | None) -> bool:
        with self._sessions() as session:
            return bool(
                session.scalar(_CONNECTIONS, {"names": [f"{name_of(kind)} {pid}" for kind in _KINDS]})
            )

    def _pings(self, supervisor: Supervisor) -> set[str]:
        names = {name: f"{name}-{supervisor.pid_of(name)}@" for name in ("worker", "sender")}
        with app.connection_for_write() as connection:
            replies = app.control.ping(timeout=_PING_S, connection=connection)
        answered = [node for reply in replies for node in reply]
        return {name for name, start in names.items() if any(node.startswith(start) for node in answered)}
