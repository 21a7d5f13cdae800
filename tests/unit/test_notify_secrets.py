"""Signing secrets: how they are shown, read and kept."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.errors import InvalidInput, SettingsError
from publisher.notify.secrets.box import KeyAge, SecretBox, new_secret, parse_secret, show_secret

OWNER = b"0190a8c1-0000-7000-8000-000000000001"


def test_a_new_secret_has_32_bytes_and_is_never_the_same() -> None:
    made = {new_secret() for _ in range(100)}

    assert len(made) == 100
    assert {len(secret) for secret in made} == {32}


@given(st.binary(min_size=24, max_size=64))
def test_what_is_shown_reads_back(secret: bytes) -> None:
    shown = show_secret(secret)

    assert shown.startswith("whsec_")
    assert parse_secret(shown) == secret
    assert parse_secret(shown.removeprefix("whsec_").rstrip("=")) == secret


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "24 to 64 bytes, not 0"),
        ("whsec_", "24 to 64 bytes, not 0"),
        (show_secret(b"a" * 23), "24 to 64 bytes, not 23"),
        (show_secret(b"a" * 65), "24 to 64 bytes, not 65"),
        ("whsec_" + base64.urlsafe_b64encode(b"\xff" * 32).decode(), "standard base64"),
        ("whsec_" + "A" * 33, "standard base64"),
        ("whsec_" + "A" * 31 + "\n", "standard base64"),
        ("whsec_" + "é" * 32, "standard base64"),
        ("whsk_" + "A" * 32, "standard base64"),
    ],
)
def test_a_bad_secret_is_refused_without_being_repeated(text: str, expected: str) -> None:
    with pytest.raises(InvalidInput, match=expected) as caught:
        parse_secret(text)

    assert caught.value.problems[0].pointer == "/secret"
    assert len(text) < 10 or text not in str(caught.value)


@given(st.binary(max_size=200), st.text(min_size=16), st.binary())
def test_what_was_encrypted_decrypts(secret: bytes, key: str, owner: bytes) -> None:
    assert SecretBox(key).decrypt(SecretBox(key).encrypt(secret, owner=owner), owner=owner) == secret


def test_the_same_secret_is_never_stored_the_same() -> None:
    box, secret = SecretBox("a key of the tests"), new_secret()

    first, second = (box.encrypt(secret, owner=OWNER) for _ in range(2))

    assert first != second
    assert secret not in first


def test_another_key_or_another_owner_opens_nothing() -> None:
    stored = SecretBox("a key of the tests").encrypt(new_secret(), owner=OWNER)

    with pytest.raises(SettingsError, match="PUBLISHER_SECRET_KEY"):
        SecretBox("a key of the tests!").decrypt(stored, owner=OWNER)
    with pytest.raises(SettingsError, match="PUBLISHER_SECRET_KEY"):
        SecretBox("a key of the tests").decrypt(stored, owner=b"another")


@given(st.data())
def test_a_changed_or_shortened_record_opens_nothing(data: st.DataObject) -> None:
    box = SecretBox("a key of the tests")
    stored = bytearray(box.encrypt(b"s" * 32, owner=OWNER))
    position = data.draw(st.integers(0, len(stored) - 1))
    flipped = bytes(stored[:position] + bytes([stored[position] ^ 1]) + stored[position + 1 :])

    for record in (flipped, bytes(stored[:position])):
        with pytest.raises(SettingsError):
            box.decrypt(record, owner=OWNER)


def test_old_keys_decrypt_and_the_newest_encrypts() -> None:
    oldest, old, new = (
        SecretBox("the oldest key of all"),
        SecretBox("the key of last year"),
        "the key of today",
    )
    box = SecretBox(new, old=["the key of last year", "the oldest key of all"])
    secret = new_secret()

    for each, age in ((oldest, KeyAge.OLD), (old, KeyAge.OLD), (box, KeyAge.CURRENT)):
        stored = each.encrypt(secret, owner=OWNER)
        assert (box.decrypt(stored, owner=OWNER), box.age(stored, owner=OWNER)) == (secret, age)
        assert box.age(stored, owner=b"another") is KeyAge.UNKNOWN
    assert SecretBox(new).decrypt(box.encrypt(secret, owner=OWNER), owner=OWNER) == secret


def test_what_no_key_opens_names_both_settings() -> None:
    stored = SecretBox("the oldest key of all").encrypt(new_secret(), owner=OWNER)
    box = SecretBox("the key of today", old=["the key of last year"])

    assert box.age(stored, owner=OWNER) is KeyAge.UNKNOWN
    with pytest.raises(SettingsError, match=r"^PUBLISHER_SECRET_KEY: .*PUBLISHER_OLD_SECRET_KEYS$"):
        box.decrypt(stored, owner=OWNER)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"^PUBLISHER_SECRET_KEY: must have at least 16 characters"):
        SecretBox("too short")
    with pytest.raises(SettingsError, match=r"^PUBLISHER_OLD_SECRET_KEYS: must have at least 16 characters"):
        SecretBox("long enough to be one", old=["too short"])
