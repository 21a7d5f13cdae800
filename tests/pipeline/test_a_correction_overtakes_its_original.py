"""The correction of an article is told before the article itself: the old text is never sent after it.

Guards: the look for newer deliveries in `_insert` and `cancel` (what was overtaken is not sent), the lock of
`_retractions` (fan-outs of an article take turns).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from sqlalchemy import Engine

from publisher.ingest.record import record
from publisher.ingest.submission import Submission
from publisher.notify.endpoints.endpoint_in import EndpointIn
from publisher.notify.endpoints.store import create
from publisher.notify.fan_out.happened import load_happened
from publisher.notify.fan_out.stage import prepare, store_deliveries
from publisher.outbox.lease import Parcel
from publisher.outbox.work import begin, settle
from tests.databases import until_somebody_waits
from tests.pipeline.by_hand import ByHand
from tests.pipeline.sender_by_hand import BOX, SenderByHand
from tests.pipeline.system import DOMAIN, System


class Overtaken:
    """An article and its correction, both public, of which nobody was told yet."""

    def __init__(self, engine: Engine) -> None:
        self.hand = ByHand(engine)
        self.sender = SenderByHand(self.hand.sessions)
        with self.hand.sessions.begin() as session:
            create(session, EndpointIn(url="https://subscriber.example/"), box=BOX)
        self.first = self._bring_out("Bản đầu")
        self.second = self._bring_out("Đính chính")

    def _bring_out(self, title: str) -> Parcel:
        """Submit it and bring it out; return the message that asks for its fan-out."""
        submission = Submission(url=f"https://{DOMAIN}/a", title=title, content_text="Nội dung.")
        with self.hand.sessions.begin() as session:
            record(session, submission, tag_domain=DOMAIN)
        for _ in range(2):
            self.hand.relay()
            while self.hand.redis:
                self.hand.deliver(self.hand.redis.pop())
        self.hand.relay()
        (parcel,) = [one for one in self.hand.redis if one.task == "fan_out"]
        self.hand.redis.clear()
        return parcel

    @contextmanager
    def writing_of_the_correction(self) -> Iterator[None]:
        """Have the deliveries of the correction written, and commit them after the block."""
        with self.hand.sessions.begin() as session:
            obligations = begin(session, "fan_out", self.second.event_ids, self.second.token)
        with self.hand.sessions.begin() as session:
            happened = load_happened(session, obligations, archive=self.hand.archive)
            settle(session, store_deliveries(session, {one: prepare(what) for one, what in happened.items()}))
            yield

    def sent(self) -> list[int | None]:
        """Send everything; return the sequences in their order."""
        self.sender.send_all()
        return [one.sequence for messages in self.sender.ledger.values() for one in messages]


def test_a_correction_whose_fan_out_overtakes_that_of_its_original_is_sent_alone(
    system: System, engine: Engine
) -> None:
    article = Overtaken(engine)

    article.hand.deliver(article.second)
    first = article.sent()
    article.hand.deliver(article.first)

    assert first == [2]
    assert article.sent() == [2]


def test_an_original_that_was_never_sent_gives_way_to_its_correction(system: System, engine: Engine) -> None:
    article = Overtaken(engine)

    article.hand.deliver(article.first)
    article.hand.deliver(article.second)

    assert article.sent() == [2]


def test_fan_outs_of_an_article_at_the_same_moment_take_turns(system: System, engine: Engine) -> None:
    article = Overtaken(engine)
    original = threading.Thread(target=partial(article.hand.deliver, article.first))

    with article.writing_of_the_correction():
        original.start()
        until_somebody_waits(system.sessions)
    original.join(10)

    assert article.sent() == [2]
