"""Processes die, messages are lost, repeated and late, in any order: the end is that of the undisturbed run.

Guards: `judge` and `store_enrichments` (what was overtaken changes nothing), the tokens of shards in `flush`
(who lost them records nothing), `put_labels` (tombstones go with what came back). It looks for what nobody
thought of: guards that have a test of their own are named there.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from publisher.errors import ArticleRetracted, NotFound
from publisher.ingest.record import record
from publisher.ingest.submission import Submission
from publisher.notify.claimed import Claimed
from publisher.notify.endpoints.endpoint_in import EndpointIn
from publisher.notify.endpoints.store import create
from publisher.notify.webhook import Webhook
from publisher.retract import retract
from publisher.schema import ArticleKeyRow, RevisionRow
from tests.databases import empty
from tests.pipeline.by_hand import STYLE, ByHand, Sleeper
from tests.pipeline.end_state import end_state, flaws
from tests.pipeline.sender_by_hand import BOX, SenderByHand
from tests.pipeline.system import DOMAIN

PAST, FUTURE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
ENDPOINTS = {
    "all": {},
    "society": {"categories": ["Xã hội"]},
    "news only": {"event_types": ["article.published"]},
}
MOST_ASLEEP = 3
Input = Callable[[Session], None]


def submitting(number: int, version: int, **fields: Any) -> Input:
    submission = Submission(
        url=f"https://{DOMAIN}/{number}",
        title=f"Bài {number}, bản {version}",
        content_text=f"Nội dung của bài {number}, bản {version}.",
        **fields,
    )

    def submit(session: Session) -> None:
        record(session, submission, tag_domain=DOMAIN)

    return submit


def retracting(number: int) -> Input:
    def take_down(session: Session) -> None:
        wanted = select(ArticleKeyRow.article_id).where(ArticleKeyRow.value == f"https://{DOMAIN}/{number}")
        article = session.scalar(wanted)
        if article is not None:
            retract(session, article, reason="sai sự thật")

    return take_down


class Disturbed(RuleBasedStateMachine):
    """A run in which anything happens to messages and processes, between submissions of any kind."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.hand, self.sender = _begin(engine)
        self.inputs: list[Input] = []
        self.sleepers: list[Sleeper] = []
        self.unanswered: list[Claimed] = []

    # One rule for all: of several, hypothesis leaves some out of most runs, and little would come together.
    @rule(step=st.deferred(lambda: STEPS))
    def goes_on(self, step: Callable[["Disturbed"], None]) -> None:
        step(self)

    def submit(self, number: int, version: int, **fields: Any) -> None:
        self._put_in(submitting(number, version, **fields))

    def retract(self, number: int) -> None:
        self._put_in(retracting(number))

    def relay(self, room: int, forgotten: bool) -> None:
        self.hand.relay(room=room, forgotten=forgotten)

    def deliver(self, chosen: int, dies_before: int) -> None:
        if not self.hand.redis:
            self.hand.relay()
        if self.hand.redis:
            parcel = self.hand.redis.pop(chosen % len(self.hand.redis))
            self.hand.deliver(parcel, dies_before=dies_before)

    def fall_asleep(self, chosen: int) -> None:
        if not self.hand.redis:
            self.hand.relay()
        if self.hand.redis and len(self.sleepers) < MOST_ASLEEP:
            parcel = self.hand.redis.pop(chosen % len(self.hand.redis))
            self.sleepers.append(Sleeper(self.hand, parcel))

    def wake(self, chosen: int) -> None:
        if self.sleepers:
            self.sleepers.pop(chosen % len(self.sleepers)).wake()

    def work(self, rounds: int) -> None:
        """Everything that is due goes on by so many stages; the last comes first."""
        for _ in range(rounds):
            self.hand.relay()
            while self.hand.redis:
                self.hand.deliver(self.hand.redis.pop())

    def repeat(self, chosen: int) -> None:
        if self.hand.sent:
            self.hand.deliver(self.hand.sent[chosen % len(self.hand.sent)])

    def empty_redis(self) -> None:
        self.hand.redis.clear()

    def leases_run_out(self) -> None:
        self.hand.time_passes()
        self.hand.take_back()

    def send(self) -> None:
        self.sender.claim()

    def land(self, chosen: int, status: int) -> None:
        if self.sender.in_flight:
            claimed = self.sender.in_flight[chosen % len(self.sender.in_flight)]
            self.sender.land(claimed, status=status)

    def sender_dies(self) -> None:
        self.unanswered += self.sender.die()

    def dead_sender_wakes(self) -> None:
        if self.unanswered:
            self.sender.claim()  # its shards have found somebody else
            assert self.sender.land(self.unanswered.pop()) == 0

    def _put_in(self, one: Input) -> None:
        self.inputs.append(one)
        _put_in(self.hand, one)

    def teardown(self) -> None:
        _finish(self.hand, self.sender)
        while self.sleepers:
            self.sleepers.pop().wake()
        disturbed = _run_out(self.hand, self.sender)
        assert _out_of_order(self.sender) == []

        hand, sender = _begin(self.hand.engine)
        for one in self.inputs:
            _put_in(hand, one)
            hand.work_through()
            sender.send_all()
        assert _run_out(hand, sender) == disturbed


def _step(what: Callable[..., None], **members: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(partial, st.just(what), **members)


# Of two articles: the fewer, the more happens to each.
_NUMBERS = st.integers(min_value=0, max_value=1)
_WHICH = st.integers(min_value=0, max_value=1_000)
# A task has some ten to twenty statements: most die on the way.
_DEATHS = st.integers(min_value=0, max_value=25)
_SUBMIT = _step(
    Disturbed.submit,
    number=_NUMBERS,
    version=st.integers(min_value=0, max_value=2),
    categories=st.sampled_from([(), ("Xã hội",), ("Kinh tế", "Xã hội")]),
    visible_from=st.sampled_from([None, None, None, PAST, FUTURE]),
    restore=st.booleans(),
)
# How often each is drawn; what needs others before it comes together only if those are frequent.
_STEPS: list[tuple[int, st.SearchStrategy[Any]]] = [
    (6, _SUBMIT),
    (3, _step(Disturbed.retract, number=_NUMBERS)),
    (2, _step(Disturbed.relay, room=st.integers(min_value=1, max_value=8), forgotten=st.booleans())),
    (4, _step(Disturbed.deliver, chosen=_WHICH, dies_before=_DEATHS)),
    (6, _step(Disturbed.work, rounds=st.integers(min_value=1, max_value=4))),
    (2, _step(Disturbed.repeat, chosen=_WHICH)),
    (1, _step(Disturbed.empty_redis)),
    (2, _step(Disturbed.leases_run_out)),
    (3, _step(Disturbed.fall_asleep, chosen=_WHICH)),
    (2, _step(Disturbed.wake, chosen=_WHICH)),
    (5, _step(Disturbed.send)),
    (3, _step(Disturbed.land, chosen=_WHICH, status=st.sampled_from([204, 503]))),
    (2, _step(Disturbed.sender_dies)),
    (2, _step(Disturbed.dead_sender_wakes)),
]
STEPS = st.sampled_from([step for weight, step in _STEPS for _ in range(weight)]).flatmap(lambda step: step)


def test_who_falls_asleep_has_begun_and_not_written(engine: Engine) -> None:
    hand, _ = _begin(engine)
    _put_in(hand, submitting(0, 0))
    hand.relay()

    sleeper = Sleeper(hand, hand.redis.pop())
    asleep, owed = sleeper.asleep, hand.owed()
    sleeper.wake()
    hand.relay()

    assert (asleep, owed) == (True, 1)
    assert [one.task for one in hand.redis] == ["publish"]


def test_the_end_state_is_that_of_the_undisturbed_run(engine: Engine) -> None:
    run_state_machine_as_test(
        lambda: Disturbed(engine),
        settings=settings(
            max_examples=10,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def _begin(engine: Engine) -> tuple[ByHand, SenderByHand]:
    empty(engine)
    hand = ByHand(engine)
    with hand.sessions.begin() as session:
        for name, members in ENDPOINTS.items():
            url = f"https://subscriber.example/{name.replace(' ', '-')}"
            create(session, EndpointIn.model_validate({"url": url, **members}), box=BOX)
    return hand, SenderByHand(hand.sessions)


def _put_in(hand: ByHand, one: Input) -> None:
    try:
        with hand.sessions.begin() as session:
            one(session)
    except (ArticleRetracted, NotFound):
        pass


def _run_out(hand: ByHand, sender: SenderByHand) -> tuple[Any, Any]:
    """Finish everything, let every embargo end, finish that, too; return the state in the end."""
    _finish(hand, sender)
    with hand.sessions() as session:
        embargoed = {url: values[:3] for url, values in end_state(session, STYLE)["articles"].items()}
    _end_embargoes(hand)
    _finish(hand, sender)
    with hand.sessions() as session:
        assert flaws(session) == {}
        return embargoed, end_state(session, STYLE)


def _finish(hand: ByHand, sender: SenderByHand) -> None:
    hand.redis.clear()
    hand.time_passes()
    hand.work_through()
    sender.send_all()


def _end_embargoes(hand: ByHand) -> None:
    with hand.sessions.begin() as session:
        session.execute(
            update(RevisionRow)
            .where(RevisionRow.visible_from > func.now())
            .values(visible_from=func.now() - timedelta(seconds=1))
        )
    hand.time_passes(timedelta(days=365 * 100))


def _out_of_order(sender: SenderByHand) -> list[Any]:
    """Return the articles of which an endpoint was sent something older after something newer."""
    wrong = []
    for endpoint, messages in sender.ledger.items():
        newest: dict[Any, int] = {}
        for one in messages:
            article, sequence = _about(one)
            if sequence < newest.get(article, 0):
                wrong.append((endpoint, article, sequence))
            newest[article] = sequence
    return wrong


def _about(message: Claimed) -> tuple[Any, int]:
    assert isinstance(message.sending, Webhook)
    data = json.loads(message.sending.body)["data"]
    return data["id"], data["sequence"]
