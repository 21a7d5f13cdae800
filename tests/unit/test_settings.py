"""Settings are checked once, at start, and a slip in them is said in words."""

from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from publisher.errors import SettingsError
from publisher.notify.pump.pump import SLOTS
from publisher.settings import load_settings


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work where nobody's `.env` lies."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "redis://h/",
        "redis://h:6379/0",
        "rediss://user:secret@h:6379/15?ssl_cert_reqs=none",
        "redis://[::1]:6379/0",
        "unix:///run/redis.sock?db=1",
    ],
)
def test_an_address_of_redis_is_accepted(url: str) -> None:
    assert load_settings(redis_url=url).redis_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://h/0",
        "redis://h:abc/0",
        "redis://h:70000/0",
        "redis://h:0/0",
        "redis://[::1/0",
        "redis://h/news",
        "redis://h/0/1",
        "redis://h/-1",
        "redis://h/٣",
    ],
)
def test_what_is_no_address_of_redis_is_refused_by_name(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^PUBLISHER_REDIS_URL: expected redis://host:port/number$"):
        load_settings(redis_url=url)


def test_an_unknown_name_is_warned_of_once(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLISHER_FEED_TITEL", "secret")
    (empty_folder / ".env").write_text("PUBLISHER_BASEURL=secret\nPOSTGRES_PASSWORD=secret\n")

    with capture_logs() as logs:
        load_settings()
        load_settings()

    assert logs == [
        {"event": "settings.unknown", "name": "PUBLISHER_BASEURL", "log_level": "warning"},
        {"event": "settings.unknown", "name": "PUBLISHER_FEED_TITEL", "log_level": "warning"},
    ]


def test_names_that_are_known_or_not_ours_are_no_cause_for_a_warning(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLISHER_FEED_TITLE", "Tin")
    monkeypatch.setenv("publisher_language", "en")
    monkeypatch.setenv("PUBLISHER_TEST_ANYTHING", "x")
    monkeypatch.setenv("PUBLISHERS", "x")
    (empty_folder / ".env").write_text("PUBLISHER_FEED_LENGTH=7\n")

    with capture_logs() as logs:
        settings = load_settings()

    assert (settings.feed_title, settings.language, settings.feed_length) == ("Tin", "en", 7)
    assert logs == []


def test_a_warning_leaves_standard_output_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("structlog.get_config", lambda: {"logger_factory": structlog.PrintLoggerFactory()})
    monkeypatch.setenv("PUBLISHER_COLOUR", "x")

    load_settings()

    shown = capsys.readouterr()
    assert shown.out == ""
    assert "PUBLISHER_COLOUR" in shown.err


@pytest.mark.parametrize("title", ["   ", "\x01", "\u200b"])
def test_a_title_that_nobody_can_see_is_refused(title: str) -> None:
    with pytest.raises(SettingsError, match="PUBLISHER_FEED_TITLE: expected a text"):
        load_settings(feed_title=title)


@pytest.mark.parametrize("url", ["postgresql://u:p@h:5432/d", "postgres://u:p@h:5432/d"])
def test_an_address_of_postgresql_gets_our_driver(url: str) -> None:
    settings = load_settings(database_url=url, listen_url=url)

    assert settings.database_url == settings.listen_url == "postgresql+psycopg://u:p@h:5432/d"


@pytest.mark.parametrize("url", ["mysql://h/d", "postgresql://h:port/d", "h"])
def test_what_is_no_address_of_postgresql_is_refused_by_name(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^PUBLISHER_DATABASE_URL: expected postgresql://user:"):
        load_settings(database_url=url)


def test_an_empty_address_is_an_unset_one() -> None:
    assert load_settings(database_url="", redis_url="", listen_url="").database_url is None


def test_a_direct_address_without_the_other_is_a_contradiction() -> None:
    with pytest.raises(
        SettingsError, match=r"^PUBLISHER_LISTEN_URL: is set, and PUBLISHER_DATABASE_URL is not"
    ):
        load_settings(listen_url="postgresql://h/d")


def test_the_direct_address_is_the_only_one_or_the_one_beside_the_pooler() -> None:
    alone = load_settings(database_url="postgresql://h/d")
    pooled = load_settings(database_url="postgresql://pooler/d", listen_url="postgresql://h/d")

    assert alone.direct_url() == pooled.direct_url() == "postgresql+psycopg://h/d"
    assert (alone.goes_through_pooler, pooled.goes_through_pooler) == (False, True)


@pytest.mark.parametrize("prefix", ["", "news:", "a.b-c_d:1", "x" * 64])
def test_a_prefix_of_keys_is_accepted(prefix: str) -> None:
    assert load_settings(redis_prefix=prefix).redis_prefix == prefix


@pytest.mark.parametrize("prefix", ["a b", "news*", "[x]", "tin/", "é:", "x" * 65, "a\n"])
def test_a_prefix_that_means_something_to_redis_is_refused(prefix: str) -> None:
    with pytest.raises(SettingsError, match=r"^PUBLISHER_REDIS_PREFIX: expected at most 64 letters"):
        load_settings(redis_prefix=prefix)


@pytest.mark.parametrize("megabytes", [0, 256, 4096])
def test_the_memory_of_workers_may_be_limited_or_not(megabytes: int) -> None:
    assert load_settings(worker_memory_mb=megabytes).worker_memory_mb == megabytes


def test_less_memory_than_a_worker_takes_from_the_start_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"^PUBLISHER_WORKER_MEMORY_MB: expected 256 or more, or 0"):
        load_settings(worker_memory_mb=100)


def test_a_sender_has_as_many_slots_as_a_pump_that_is_told_nothing() -> None:
    assert load_settings().sender_slots == SLOTS


@pytest.mark.parametrize("slots", [0, 10_001, "many"])
def test_no_slot_at_all_and_more_than_there_are_ports_for_are_refused(slots: object) -> None:
    with pytest.raises(SettingsError, match=r"^PUBLISHER_SENDER_SLOTS: "):
        load_settings(sender_slots=slots)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", ()),
        (" , ", ()),
        ("the key of last year", ("the key of last year",)),
        ("the key of last year, the oldest key of all,", ("the key of last year", "the oldest key of all")),
        (
            '["a key, with a comma", " and with spaces around "]',
            ("a key, with a comma", " and with spaces around "),
        ),
        ("[]", ()),
    ],
)
def test_old_secret_keys_are_parted_by_commas_or_a_json_list(
    given: str, expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLISHER_OLD_SECRET_KEYS", given)

    assert load_settings().old_secret_keys == expected


@pytest.mark.parametrize(
    "given", ["too short", "the key of last year,too short", "[the key of last year", '["too short"]', "[1]"]
)
def test_what_is_no_list_of_keys_is_refused_by_name_and_not_repeated(
    given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLISHER_OLD_SECRET_KEYS", given)

    with pytest.raises(SettingsError, match=r"^PUBLISHER_OLD_SECRET_KEYS: ") as caught:
        load_settings()
    assert "short" not in str(caught.value)
    assert "last year" not in str(caught.value)
