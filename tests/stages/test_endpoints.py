"""Endpoints in the record: made, changed, disabled once, deleted, and signed for with live secrets."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from uuid import UUID

import pytest
from pydantic import ValidationError
from sqlalchemy import func, insert, select, text, update
from structlog.testing import capture_logs

from publisher.database import Sessions
from publisher.errors import Conflict, InvalidInput, NotFound, SettingsError
from publisher.ids import new_id
from publisher.notify.endpoints import waiting
from publisher.notify.endpoints.endpoint_in import EndpointIn, EndpointPatch, Reach
from publisher.notify.endpoints.filters import Filter, filter_hash
from publisher.notify.endpoints.store import (
    SHARDS,
    change,
    create,
    disable,
    newest,
    read,
    remove,
    rotate_secret,
    send_test,
    shard_of,
)
from publisher.notify.outcome import DeliveryState
from publisher.notify.secrets.box import SecretBox, show_secret
from publisher.notify.secrets.endpoint_secrets import MAX_LIVE, OVERLAP, Rotation, live_secrets
from publisher.schema import DeliveryRow, EndpointRow, EndpointSecretRow, EventRow, EventTaskRow

AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
BOX = SecretBox("a key that only tests use")
URL = "https://example.com/hook"


def made(database: Sessions, **members: object) -> UUID:
    """Make an endpoint; return its id."""
    with database.begin() as session:
        return create(session, EndpointIn.model_validate({"url": URL, **members}), box=BOX)[0].id


def owed(database: Sessions, endpoint_id: UUID, state: DeliveryState) -> UUID:
    """Put a delivery in the record; return its id."""
    with database.begin() as session:
        identifier = new_id()
        session.execute(
            insert(DeliveryRow).values(
                id=identifier,
                message_id=new_id(),
                message_time=AT,
                endpoint_id=endpoint_id,
                shard=shard_of(endpoint_id),
                state=state,
                next_attempt_at=AT if state is DeliveryState.PENDING else None,
            )
        )
        return identifier


def states(database: Sessions) -> dict[UUID, tuple[str, datetime | None]]:
    """Return where each delivery stands."""
    with database() as session:
        rows = session.execute(select(DeliveryRow.id, DeliveryRow.state, DeliveryRow.next_attempt_at))
        return {row.id: (row.state, row.next_attempt_at) for row in rows}


def events(database: Sessions) -> list[tuple[str, UUID, dict[str, object]]]:
    """Return what was emitted, in order."""
    with database() as session:
        return [(row.type, row.subject, row.data) for row in session.scalars(select(EventRow).order_by("id"))]


def test_a_new_endpoint_can_be_read_back(database: Sessions) -> None:
    wanted = EndpointIn(url=URL, categories=["Xã hội"], description="Search", rate_per_s=2.5, fifo=True)

    with database.begin() as session:
        endpoint, secret = create(session, wanted, box=BOX)

    with database() as session:
        assert endpoint == read(session, endpoint.id)
    assert Filter(event_types=("article.*",), categories=("Xã hội",)) == endpoint.filter
    assert (endpoint.url, endpoint.description, endpoint.rate_per_s, endpoint.fifo) == (
        URL,
        "Search",
        2.5,
        True,
    )
    assert endpoint.enabled
    assert endpoint.disabled_reason is None
    assert len(secret) == 32


def test_an_endpoint_is_as_old_as_the_database_says(database: Sessions) -> None:
    with database.begin() as session:
        endpoint, _ = create(session, EndpointIn(url=URL), box=BOX)

        assert session.scalar(select(func.now())) == endpoint.created_at


def test_the_record_holds_filter_hash_shard_and_owner(database: Sessions) -> None:
    owner = new_id()
    with database.begin() as session:
        endpoint, _ = create(session, EndpointIn(url=URL), box=BOX, owner=owner)

    with database() as session:
        row = session.get_one(EndpointRow, endpoint.id)
        assert filter_hash(endpoint.filter) == row.filter_hash
        assert shard_of(endpoint.id) == row.shard
        assert owner == row.owner


def test_shards_are_stable_and_all_used() -> None:
    assert shard_of(UUID("01890000-0000-7000-8000-000000000000")) == 15
    assert set(range(SHARDS)) == {shard_of(new_id()) for _ in range(5_000)}


def test_a_secret_is_nowhere_in_the_record(database: Sessions) -> None:
    with database.begin() as session:
        endpoint, secret = create(session, EndpointIn(url=URL), box=BOX)

    with database() as session:
        stored = session.scalars(select(EndpointSecretRow)).one()
        everything = session.scalar(text("SELECT s::text || e::text FROM endpoint_secret s, endpoint e"))
        assert secret not in stored.encrypted
        assert secret.hex() not in everything
        assert show_secret(secret).removeprefix("whsec_") not in everything
        assert {endpoint.id: (secret,)} == live_secrets(session, [endpoint.id], box=BOX, at=AT)


def test_secrets_do_not_open_with_another_key(database: Sessions) -> None:
    some, _ = made(database), made(database)

    with database() as session, pytest.raises(SettingsError, match="PUBLISHER_SECRET_KEY"):
        live_secrets(session, [some], box=SecretBox("some other key, just as long"), at=AT)


@pytest.mark.parametrize("others", [0, 1])
def test_a_secret_that_does_not_open_is_logged_and_the_key_blamed_for_nothing(
    database: Sessions, others: int
) -> None:
    broken = made(database)
    with database.begin() as session:
        session.execute(update(EndpointSecretRow).values(encrypted=b"\x01broken"))
    for _ in range(others):
        made(database)

    with database() as session, capture_logs() as logs:
        found = live_secrets(session, [broken], box=BOX, at=AT)

    assert found == {broken: ()}
    assert [(one["event"], one["endpoint_id"]) for one in logs] == [
        ("endpoint.unreadable_secret", str(broken))
    ]


def test_a_rotation_mends_an_endpoint_whose_secret_does_not_open(database: Sessions) -> None:
    broken = made(database)
    with database.begin() as session:
        session.execute(update(EndpointSecretRow).values(encrypted=b"\x01broken"))

    with database.begin() as session:
        new, _ = rotate_secret(session, broken, box=BOX, at=AT)

        assert live_secrets(session, [broken], box=BOX, at=AT) == {broken: (new,)}


def test_an_old_secret_signs_for_a_day_beside_the_new_one(database: Sessions) -> None:
    with database.begin() as session:
        endpoint, old = create(session, EndpointIn(url=URL), box=BOX)

    with database.begin() as session:
        new, expire_at = rotate_secret(session, endpoint.id, box=BOX, at=AT)

    with database() as session:
        during = live_secrets(session, [endpoint.id], box=BOX, at=AT + OVERLAP - timedelta(seconds=1))
        after = live_secrets(session, [endpoint.id], box=BOX, at=AT + OVERLAP)
    assert AT + timedelta(hours=24) == expire_at
    assert {endpoint.id: (new, old)} == during
    assert {endpoint.id: (new,)} == after


def test_a_second_rotation_does_not_prolong_the_first_secret(database: Sessions) -> None:
    endpoint_id = made(database)
    later = AT + timedelta(hours=20)
    with database.begin() as session:
        second, _ = rotate_secret(session, endpoint_id, box=BOX, at=AT)
        third, _ = rotate_secret(session, endpoint_id, box=BOX, at=later)

    with database() as session:
        found = live_secrets(session, [endpoint_id], box=BOX, at=AT + OVERLAP)

    assert {endpoint_id: (third, second)} == found


def test_a_rotation_forgets_what_has_expired(database: Sessions) -> None:
    endpoint_id = made(database)
    with database.begin() as session:
        rotate_secret(session, endpoint_id, box=BOX, at=AT)
        rotate_secret(session, endpoint_id, box=BOX, at=AT + OVERLAP)

    with database() as session:
        assert session.scalar(select(func.count()).select_from(EndpointSecretRow)) == 2


def test_secrets_do_not_pile_up(database: Sessions) -> None:
    endpoint_id = made(database)
    with database.begin() as session:
        for _ in range(MAX_LIVE - 1):
            rotate_secret(session, endpoint_id, box=BOX, at=AT)

        with pytest.raises(Conflict, match="10 live secrets"):
            rotate_secret(session, endpoint_id, box=BOX, at=AT)


def test_a_secret_of_ones_own_is_kept_as_any_other(database: Sessions) -> None:
    own, next_own = bytes(range(24)), bytes(range(64))
    with database.begin() as session:
        endpoint, shown = create(
            session, EndpointIn.model_validate({"url": URL, "secret": show_secret(own)}), box=BOX
        )
        rotated, _ = rotate_secret(session, endpoint.id, box=BOX, at=AT, wanted=Rotation(secret=next_own))

    with database() as session:
        assert {endpoint.id: (next_own, own)} == live_secrets(session, [endpoint.id], box=BOX, at=AT)
    assert (own, next_own) == (shown, rotated)


def test_secrets_are_not_shown_where_values_are_printed() -> None:
    own = bytes(range(24))
    wanted = EndpointIn.model_validate({"url": URL, "secret": show_secret(own)})

    for printed in (repr(wanted), str(wanted), repr(Rotation(secret=own))):
        assert repr(own) not in printed
        assert show_secret(own) not in printed


@pytest.mark.parametrize("overlap", [timedelta(0), timedelta(seconds=1), timedelta(days=7)])
def test_a_rotation_says_how_long_the_old_secrets_sign(database: Sessions, overlap: timedelta) -> None:
    with database.begin() as session:
        endpoint, old = create(session, EndpointIn(url=URL), box=BOX)
        new, expire_at = rotate_secret(session, endpoint.id, box=BOX, at=AT, wanted=Rotation(overlap=overlap))

    with database() as session:
        last = live_secrets(session, [endpoint.id], box=BOX, at=AT + overlap - timedelta(microseconds=1))
        after = live_secrets(session, [endpoint.id], box=BOX, at=AT + overlap)
    assert AT + overlap == expire_at
    assert last == {endpoint.id: (new, old) if overlap else (new,)}
    assert after == {endpoint.id: (new,)}


def test_a_short_overlap_holds_for_all_that_came_before(database: Sessions) -> None:
    with database.begin() as session:
        endpoint, first = create(session, EndpointIn(url=URL), box=BOX)
        second, _ = rotate_secret(session, endpoint.id, box=BOX, at=AT, wanted=Rotation(overlap=OVERLAP))
        hour = timedelta(hours=1)
        third, _ = rotate_secret(session, endpoint.id, box=BOX, at=AT, wanted=Rotation(overlap=hour))

    with database() as session:
        during = live_secrets(session, [endpoint.id], box=BOX, at=AT)
        after = live_secrets(session, [endpoint.id], box=BOX, at=AT + hour)
    assert {endpoint.id: (third, second, first)} == during
    assert {endpoint.id: (third,)} == after


@pytest.mark.parametrize("which", [0, 1])
def test_a_live_secret_is_not_made_the_new_one(database: Sessions, which: int) -> None:
    with database.begin() as session:
        endpoint, old = create(session, EndpointIn(url=URL), box=BOX)
        new, _ = rotate_secret(session, endpoint.id, box=BOX, at=AT)
    live = (new, old)

    with database.begin() as session, pytest.raises(Conflict, match=r"^secret: is live") as caught:
        rotate_secret(session, endpoint.id, box=BOX, at=AT, wanted=Rotation(secret=live[which]))

    assert show_secret(live[which]) not in str(caught.value)
    with database.begin() as session:
        assert {endpoint.id: live} == live_secrets(session, [endpoint.id], box=BOX, at=AT)
        # What has expired may come back.
        back, _ = rotate_secret(session, endpoint.id, box=BOX, at=AT + OVERLAP, wanted=Rotation(secret=old))
        assert {endpoint.id: (back, new)} == live_secrets(session, [endpoint.id], box=BOX, at=AT + OVERLAP)


def test_without_an_overlap_ten_live_secrets_become_one(database: Sessions) -> None:
    endpoint_id = made(database)
    with database.begin() as session:
        for _ in range(MAX_LIVE - 1):
            rotate_secret(session, endpoint_id, box=BOX, at=AT)

        new, _ = rotate_secret(session, endpoint_id, box=BOX, at=AT, wanted=Rotation(overlap=timedelta(0)))

        assert {endpoint_id: (new,)} == live_secrets(session, [endpoint_id], box=BOX, at=AT)


def test_rotations_at_once_leave_one_current_secret_and_lose_none(database: Sessions) -> None:
    with database.begin() as session:
        endpoint, first = create(session, EndpointIn(url=URL), box=BOX)

    def rotate(_: int) -> bytes | None:
        try:
            with database.begin() as session:
                return rotate_secret(session, endpoint.id, box=BOX, at=AT)[0]
        except Conflict:
            return None

    with ThreadPoolExecutor(12) as pool:
        done = [secret for secret in pool.map(rotate, range(12)) if secret]

    with database() as session:
        current = EndpointSecretRow.expires_at.is_(None)
        assert session.scalar(select(func.count()).where(current)) == 1
        (live,) = live_secrets(session, [endpoint.id], box=BOX, at=AT).values()
    assert len(done) == MAX_LIVE - 1
    assert {first, *done} == set(live)


def test_the_newest_come_first_page_by_page(database: Sessions) -> None:
    ids = sorted((made(database) for _ in range(5)), reverse=True)
    with database.begin() as session:
        remove(session, ids[1])

    with database() as session:
        first = [one.id for one in newest(session, limit=2)]
        rest = [one.id for one in newest(session, limit=9, before=first[-1])]

    assert ([ids[0], ids[2]], [ids[3], ids[4]]) == (first, rest)


def test_a_change_touches_only_what_was_given(database: Sessions) -> None:
    endpoint_id = made(database, categories=["Xã hội"], description="Search", rate_per_s=2)
    with database() as session:
        before = read(session, endpoint_id)

    with database.begin() as session:
        patch = EndpointPatch.model_validate({"event_types": ["article.retracted"], "rate_per_s": None})
        after = change(session, endpoint_id, patch)

    wanted = Filter(event_types=("article.retracted",), categories=("Xã hội",))
    assert (wanted, None) == (after.filter, after.rate_per_s)
    assert (before.url, before.description, True) == (after.url, after.description, after.enabled)
    with database() as session:
        assert after == read(session, endpoint_id)
        assert filter_hash(wanted) == session.get_one(EndpointRow, endpoint_id).filter_hash


def test_categories_can_be_lifted_again(database: Sessions) -> None:
    endpoint_id = made(database, categories=["Xã hội"])

    with database.begin() as session:
        after = change(session, endpoint_id, EndpointPatch(categories=None))

    assert after.filter.categories is None


def test_disabling_holds_what_waits_and_nothing_else(database: Sessions) -> None:
    endpoint_id, other = made(database), made(database)
    waits = owed(database, endpoint_id, DeliveryState.PENDING)
    sent = owed(database, endpoint_id, DeliveryState.SUCCEEDED)
    others = owed(database, other, DeliveryState.PENDING)

    with database.begin() as session:
        endpoint = change(session, endpoint_id, EndpointPatch(enabled=False))

    assert (endpoint.enabled, endpoint.disabled_reason) == (False, "manual")
    assert {waits: ("held", None), sent: ("succeeded", None), others: ("pending", AT)} == states(database)
    assert [("endpoint.disabled", endpoint_id, {"reason": "manual"})] == events(database)


def test_a_long_queue_is_held_slice_by_slice(database: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SLICE", 2)
    endpoint_id = made(database)
    for _ in range(5):
        owed(database, endpoint_id, DeliveryState.PENDING)

    with database.begin() as session:
        disable(session, endpoint_id, "gone")
    first = Counter(state for state, _ in states(database).values())
    rest = []
    for _ in range(3):
        with database.begin() as session:
            rest.append(waiting.stop_waiting(session, endpoint_id))

    assert first == {"held": 2, "pending": 3}
    assert rest == [2, 1, 0]
    assert set(states(database).values()) == {("held", None)}


def test_nothing_stops_at_an_enabled_endpoint(database: Sessions) -> None:
    pending = owed(database, made(database), DeliveryState.PENDING)

    with database.begin() as session:
        stopped = waiting.stop_waiting(session, session.scalars(select(EndpointRow.id)).one())

    assert (stopped, states(database)) == (0, {pending: ("pending", AT)})


def test_enabling_again_releases_nothing(database: Sessions) -> None:
    endpoint_id = made(database)
    held = owed(database, endpoint_id, DeliveryState.PENDING)
    with database.begin() as session:
        change(session, endpoint_id, EndpointPatch(enabled=False))

    with database.begin() as session:
        endpoint = change(session, endpoint_id, EndpointPatch(enabled=True))

    assert (endpoint.enabled, endpoint.disabled_reason) == (True, None)
    assert {held: ("held", None)} == states(database)


def test_disabling_again_changes_and_tells_nothing(database: Sessions) -> None:
    endpoint_id = made(database)
    with database.begin() as session:
        assert disable(session, endpoint_id, "gone")

    with database.begin() as session:
        endpoint = change(session, endpoint_id, EndpointPatch(enabled=False))

    assert endpoint.disabled_reason == "gone"
    assert len(events(database)) == 1


def test_twenty_failures_at_once_disable_once(database: Sessions) -> None:
    endpoint_id = made(database)
    owed(database, endpoint_id, DeliveryState.PENDING)

    def fail(_: int) -> bool:
        with database.begin() as session:
            return disable(session, endpoint_id, "gone")

    with ThreadPoolExecutor(20) as pool:
        done = list(pool.map(fail, range(20)))

    assert sum(done) == 1
    assert [("endpoint.disabled", endpoint_id, {"reason": "gone"})] == events(database)
    with database() as session:
        assert [("fan_out", endpoint_id)] == [
            (row.task, row.subject) for row in session.scalars(select(EventTaskRow))
        ]


def test_a_deleted_endpoint_is_gone_with_its_secrets_and_what_waits(database: Sessions) -> None:
    endpoint_id = made(database)
    pending = owed(database, endpoint_id, DeliveryState.PENDING)
    held = owed(database, endpoint_id, DeliveryState.HELD)
    failed = owed(database, endpoint_id, DeliveryState.FAILED)

    with database.begin() as session:
        remove(session, endpoint_id)

    cancelled = ("cancelled", None)
    assert {pending: cancelled, held: cancelled, failed: ("failed", None)} == states(database)
    with database() as session:
        row = session.get_one(EndpointRow, endpoint_id)
        assert row.deleted_at is not None
        assert not row.enabled
        assert live_secrets(session, [endpoint_id], box=BOX, at=AT) == {}
        assert not disable(session, endpoint_id, "gone")
    assert events(database) == []


def test_nothing_can_be_done_with_a_deleted_endpoint(database: Sessions) -> None:
    endpoint_id = made(database)
    with database.begin() as session:
        remove(session, endpoint_id)

    with database() as session:
        for act in (
            lambda: read(session, endpoint_id),
            lambda: change(session, endpoint_id, EndpointPatch(enabled=True)),
            lambda: remove(session, endpoint_id),
            lambda: send_test(session, endpoint_id),
            lambda: rotate_secret(session, endpoint_id, box=BOX, at=AT),
        ):
            with pytest.raises(NotFound, match=str(endpoint_id)):
                act()


def test_a_test_is_an_event_about_this_endpoint(database: Sessions) -> None:
    endpoint_id = made(database)

    with database.begin() as session:
        event_id = send_test(session, endpoint_id)

    assert [("endpoint.test", endpoint_id, {})] == events(database)
    with database() as session:
        assert event_id == session.scalars(select(EventTaskRow.event_id)).one()


def test_a_disabled_endpoint_is_not_tested(database: Sessions) -> None:
    endpoint_id = made(database)
    with database.begin() as session:
        disable(session, endpoint_id, "gone")

    with database() as session, pytest.raises(Conflict, match=r"is disabled \(gone\)"):
        send_test(session, endpoint_id)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("url", None),
        ("url", 5),
        ("url", "https://example.com/" + "x" * 2048),
        ("url", "https://example.com/\ud800"),
        ("event_types", []),
        ("event_types", None),
        ("event_types", "article.*"),
        ("event_types", ["article.received"]),
        ("event_types", ["article.*"] * 21),
        ("event_types", ["ARTICLE.PUBLISHED"]),
        ("categories", []),
        ("categories", [""]),
        ("categories", ["\u200b \n"]),
        ("categories", ["x" * 101]),
        ("categories", [f"c{n}" for n in range(51)]),
        ("description", "x" * 501),
        ("description", 1),
        ("rate_per_s", 0.09),
        ("rate_per_s", 1000.1),
        ("rate_per_s", float("nan")),
        ("rate_per_s", "5"),
        ("rate_per_s", True),
        ("max_in_flight", 0),
        ("max_in_flight", 101),
        ("max_in_flight", 1.5),
        ("max_in_flight", True),
        ("max_in_flight", 10**400),
        ("fifo", None),
        ("fifo", "yes"),
        ("fifo", 1),
        ("timeout_s", 0.5),
        ("timeout_s", 31),
        ("secret", "whsec_x"),
        ("Enabled", True),
    ],
)
@pytest.mark.parametrize("model", [EndpointIn, EndpointPatch])
def test_what_makes_no_sense_is_named(model: type[EndpointIn], member: str, value: object) -> None:
    with pytest.raises(ValidationError) as refusal:
        model.model_validate({"url": URL, member: value})

    assert {member} == {error["loc"][0] for error in refusal.value.errors()}


def test_a_name_that_leads_to_a_private_address_is_refused() -> None:
    reach = Reach(lookup=lambda _: ["93.184.216.34", "10.0.0.1"])

    with pytest.raises(InvalidInput, match=r"example\.com resolves to 10\.0\.0\.1"):
        reach.check(URL)


def test_a_name_may_lead_to_an_allowed_network() -> None:
    reach = Reach(allowed=(ip_network("10.0.0.0/8"),), lookup=lambda _: ["10.0.0.1"])

    reach.check(URL)


def test_a_new_endpoint_is_always_enabled() -> None:
    with pytest.raises(ValidationError, match="enabled"):
        EndpointIn.model_validate({"url": URL, "enabled": False})


def test_repetitions_and_spellings_are_kept_once() -> None:
    wanted = EndpointIn(url=URL, event_types=["*", "*"], categories=["Xã hội", "XÃ HỘI", "Kinh tế"])

    assert Filter(event_types=("*",), categories=("Xã hội", "Kinh tế")) == wanted.filter


def test_a_description_is_cleaned() -> None:
    assert EndpointIn(url=URL, description="a\x00 b\x1b").description == "a b"
