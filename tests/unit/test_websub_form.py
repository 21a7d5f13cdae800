"""What the hub takes of a form, and what it says to whoever fills it in wrongly."""

import pytest

from publisher.notify.websub.form import (
    LONGEST_LEASE_S,
    SHORTEST_LEASE_S,
    USUAL_LEASE_S,
    BadForm,
    Mode,
    Publication,
    SubscriptionRequest,
    parse_form,
)

SUBSCRIBE = {
    "hub.mode": "subscribe",
    "hub.topic": "https://news.example/feeds/all.atom",
    "hub.callback": "https://reader.example/hook?x=1",
}


def said(**fields: str | None) -> SubscriptionRequest | Publication:
    """Parse a subscription in which some fields are otherwise, or missing."""
    form = {**SUBSCRIBE, **{f"hub.{name}": value for name, value in fields.items()}}
    return parse_form([(name, value) for name, value in form.items() if value is not None])


def test_a_subscription_that_says_the_least_gets_the_usual_lease_and_no_signature() -> None:
    assert said() == SubscriptionRequest(
        mode=Mode.SUBSCRIBE,
        topic=SUBSCRIBE["hub.topic"],
        callback=SUBSCRIBE["hub.callback"],
        lease_s=USUAL_LEASE_S,
        secret=None,
    )


def test_fields_that_nobody_knows_are_left_alone() -> None:
    form = [*SUBSCRIBE.items(), ("hub.verify", "async"), ("hub.verify", "sync"), ("x", "")]

    assert parse_form(form) == said()


@pytest.mark.parametrize(
    ("wished", "given"),
    [
        ("1", SHORTEST_LEASE_S),
        ("3600", 3600),
        ("999999999", LONGEST_LEASE_S),
        ("9" * 5_000, LONGEST_LEASE_S),
        ("0" * 5_000 + "3600", 3600),
        ("", USUAL_LEASE_S),
    ],
)
def test_a_lease_is_kept_within_bounds(wished: str, given: int) -> None:
    found = said(lease_seconds=wished)

    assert isinstance(found, SubscriptionRequest)
    assert found.lease_s == given


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "ten", "٣", "1e3", " 10", "0" * 5_000])
def test_what_is_no_lease_is_refused(text: str) -> None:
    with pytest.raises(BadForm, match=r"^hub\.lease_seconds: .*expected a whole number of seconds"):
        said(lease_seconds=text)


def test_a_secret_has_fewer_than_200_bytes_not_characters() -> None:
    assert said(secret="á" * 99) != said()
    with pytest.raises(BadForm, match=r"^hub\.secret: has 200 bytes; expected fewer than 200$"):
        said(secret="á" * 100)


def test_a_secret_is_never_shown() -> None:
    assert "hunter2" not in repr(said(secret="hunter2"))


@pytest.mark.parametrize("name", ["mode", "topic", "callback"])
@pytest.mark.parametrize("value", [None, ""])
def test_what_is_missing_is_named(name: str, value: str | None) -> None:
    with pytest.raises(BadForm, match=rf"^hub\.{name}: is missing; expected "):
        said(**{name: value})


@pytest.mark.parametrize("name", ["hub.mode", "hub.topic", "hub.callback", "hub.secret"])
def test_what_is_there_twice_is_refused(name: str) -> None:
    with pytest.raises(BadForm, match=rf"^{name}: is there 2 times"):
        parse_form([*SUBSCRIBE.items(), (name, "a"), *([(name, "b")] if name == "hub.secret" else [])])


@pytest.mark.parametrize("mode", ["Subscribe", "denied", "retrieve", "x" * 10_000])
def test_an_unknown_mode_is_refused_in_a_short_line(mode: str) -> None:
    with pytest.raises(BadForm, match=r"^hub\.mode: .*; expected subscribe, ") as refused:
        said(mode=mode)

    assert len(str(refused.value)) < 150


def test_a_publication_names_topics_in_either_way() -> None:
    found = parse_form([("hub.mode", "publish"), ("hub.topic", "a"), ("hub.url", "b"), ("hub.url", "c")])

    assert found == Publication(topics=("a", "b", "c"))


def test_a_publication_of_nothing_is_refused() -> None:
    with pytest.raises(BadForm, match=r"^hub\.topic: is missing"):
        parse_form([("hub.mode", "publish")])
