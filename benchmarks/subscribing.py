"""Endpoints in any number, made at once, with a secret each."""

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import insert

from benchmarks.stand import SECRET_KEY, System
from publisher.ids import new_id
from publisher.notify.endpoints.endpoint_in import EndpointIn
from publisher.notify.endpoints.filters import filter_hash
from publisher.notify.endpoints.store import shard_of
from publisher.notify.secrets.box import SecretBox, new_secret
from publisher.schema import EndpointRow, EndpointSecretRow


def subscribe(system: System, urls: Iterable[str], **members: object) -> list[UUID]:
    """Register an endpoint for each URL, in one transaction; return their ids.

    Args:
        members: what else the API takes of an endpoint, such as `max_in_flight`.
    """
    box = SecretBox(SECRET_KEY)
    wanted = [(new_id(), EndpointIn.model_validate({"url": url, **members})) for url in urls]
    now = datetime.now(UTC)
    endpoints = [
        {
            "id": one,
            "url": asked.url,
            "filter": asked.filter.as_json(),
            "filter_hash": filter_hash(asked.filter),
            "shard": shard_of(one),
            "max_in_flight": asked.max_in_flight,
            "created_at": now,
        }
        for one, asked in wanted
    ]
    secrets = [
        {
            "id": new_id(),
            "endpoint_id": one,
            "encrypted": box.encrypt(new_secret(), owner=one.bytes),
            "created_at": now,
        }
        for one, _ in wanted
    ]
    with system.sessions.begin() as session:
        session.execute(insert(EndpointRow), endpoints)
        session.execute(insert(EndpointSecretRow), secrets)
    return [one for one, _ in wanted]
