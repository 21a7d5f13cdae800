"""Settings are checked once, at start, and a slip in them is said in words."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from publisher.errors import SettingsError
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
    monkeypatch.setattr("structlog.is_configured", lambda: False)
    monkeypatch.setenv("PUBLISHER_COLOUR", "x")

    load_settings()

    shown = capsys.readouterr()
    assert shown.out == ""
    assert "PUBLISHER_COLOUR" in shown.err


@pytest.mark.parametrize("title", ["   ", "\x01", "\u200b"])
def test_a_title_that_nobody_can_see_is_refused(title: str) -> None:
    with pytest.raises(SettingsError, match="PUBLISHER_FEED_TITLE: expected a text"):
        load_settings(feed_title=title)
