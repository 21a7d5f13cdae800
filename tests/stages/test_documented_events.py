"""The examples in docs/events.md have the members that the stages really write."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, literal, select
from sqlalchemy.orm import Session

from publisher.events import EventType
from publisher.housekeeping import begin_housekeeping
from publisher.notify.endpoints.disabling import DisabledReason, disable
from publisher.notify.endpoints.endpoint_in import EndpointIn
from publisher.notify.endpoints.store import create, send_test
from publisher.notify.secrets.box import SecretBox
from publisher.retract import retract
from publisher.schema import EventRow, FeedRow, TopicRow
from tests.stages.articles import published, recorded, run_enrich, run_feeds, run_publish
from tests.stages.told import again, message

EVENTS = Path(__file__).parents[2] / "docs" / "events.md"
_EXAMPLE = re.compile(r"\n## `([a-z.]+)`\n.*?```json\n(.+?)```", re.DOTALL)


def documented() -> dict[str, set[str]]:
    """Return the members of `data`, by the type of the event."""
    found = _EXAMPLE.findall(EVENTS.read_text(encoding="utf-8"))
    return {event_type: set(json.loads(example)["data"]) for event_type, example in found}


def everything_happens(session: Session) -> None:
    """Make at least one event of each type."""
    article = published(session)
    run_feeds(session)
    somebody_subscribes(session)
    recorded(session, title="Hà Nội mở thêm 23,7 km đường")
    run_enrich(session)
    run_publish(session)
    retract(session, article, reason="Sai số liệu")
    wanted = EndpointIn(url="https://example.com/hook")
    endpoint, _ = create(session, wanted, box=SecretBox("a key that only tests use"))
    send_test(session, endpoint.id)
    message(session, article)
    again(session, endpoint.id)
    disable(session, endpoint.id, DisabledReason.MANUAL)
    begin_housekeeping(session)


def somebody_subscribes(session: Session) -> None:
    """Let every feed have a subscriber."""
    columns = [TopicRow.id, TopicRow.label_id, TopicRow.format, TopicRow.url, TopicRow.subscribed_until]
    in_an_hour = func.now() + timedelta(hours=1)
    feeds = select(func.gen_random_uuid(), FeedRow.label_id, literal("atom"), literal("/"), in_an_hour)
    session.execute(insert(TopicRow).from_select([one.key for one in columns], feeds))


def test_every_event_is_documented_with_the_members_that_it_has(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("publisher.notify.replaying.replay.SLICE", 1)
    everything_happens(session)

    written: dict[str, list[dict[str, Any]]] = {}
    for row in session.scalars(select(EventRow)):
        written.setdefault(row.type, []).append(row.data)

    assert set(written) == set(EventType)
    assert {name: {member for data in several for member in data} for name, several in written.items()} == (
        documented()
    )
