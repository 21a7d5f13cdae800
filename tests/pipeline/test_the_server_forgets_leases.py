"""PostgreSQL crashes, and forgets leases whose messages are out: their work is done all the same, once.

Guards: `begin`: the token (who was leased nothing begins nothing); `waits_for_disk`: nobody but the relay
commits without waiting.
"""

from sqlalchemy import Engine, func, select, text

from publisher.schema import EventTaskRow
from publisher.settings import load_settings
from tests.pipeline.by_hand import ByHand
from tests.pipeline.system import System
from workers.connections import Kind, engine_of

ARTICLES = 5


def test_a_message_whose_lease_was_forgotten_begins_nothing_and_the_next_one_does(
    system: System, engine: Engine
) -> None:
    hand = ByHand(engine)
    for number in range(ARTICLES):
        system.submit(number)

    hand.relay(forgotten=True)
    forgotten = list(hand.redis)
    while hand.redis:
        assert hand.deliver(hand.redis.pop())
    with system.sessions() as session:
        begun = session.scalar(select(func.count(EventTaskRow.started_at)))
    hand.relay()
    again = list(hand.redis)
    hand.work_through()

    assert len(forgotten) == ARTICLES
    assert begun == 0
    assert {one.event_ids for one in again} == {one.event_ids for one in forgotten}
    assert not {one.token for one in again} & {one.token for one in forgotten}
    assert list(system.statuses().values()) == ["published"] * ARTICLES


def test_everybody_but_the_relay_waits_for_the_disk(postgres_url: str) -> None:
    settings = load_settings(database_url=postgres_url)
    waits = {}
    for kind in Kind:
        engine = engine_of(settings, kind)
        with engine.connect() as connection:
            source = "SELECT source FROM pg_settings WHERE name = 'synchronous_commit'"
            waits[kind] = connection.execute(text(source)).scalar_one() != "client"
        engine.dispose()

    assert [kind for kind in Kind if not waits[kind]] == [Kind.RELAY]
