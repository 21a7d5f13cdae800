"""Signatures of webhooks: the published vectors, the public library, and what must not verify."""

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from publisher.notify.secrets.box import new_secret, parse_secret, show_secret
from publisher.notify.signature import sign, verify

VECTOR_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VECTOR_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
VECTOR = {
    "message_id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "timestamp": 1614265330,
    "body": b'{"test": 2432232314}',
}
NOW = 1_700_000_000
message_ids = st.from_regex(r"msg_[0-9a-f]{32}", fullmatch=True)
secrets = st.binary(min_size=24, max_size=64)


def headers(message_id: str, timestamp: int, signature: str) -> dict[str, str]:
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


def test_the_vector_of_the_specification_is_reproduced() -> None:
    assert sign([parse_secret(VECTOR_SECRET)], **VECTOR) == VECTOR_SIGNATURE


def test_during_a_rotation_every_live_secret_signs_the_current_one_first() -> None:
    current, old = new_secret(), parse_secret(VECTOR_SECRET)

    signature = sign([current, old], **VECTOR)

    assert signature == f"{sign([current], **VECTOR)} {VECTOR_SIGNATURE}"


@given(st.lists(secrets, min_size=1, max_size=3), message_ids, st.dictionaries(st.text(), st.text()))
def test_the_public_library_verifies_with_any_of_the_secrets(
    keys: list[bytes], message_id: str, data: dict[str, str]
) -> None:
    body, now = json.dumps(data, ensure_ascii=False).encode("utf-8", "replace"), int(time.time())

    sent = headers(message_id, now, sign(keys, message_id=message_id, timestamp=now, body=body))

    for key in keys:
        Webhook(show_secret(key)).verify(body, sent)


@given(secrets, message_ids, st.binary())
def test_what_was_signed_verifies(secret: bytes, message_id: str, body: bytes) -> None:
    sent = headers(
        message_id, NOW, sign([new_secret(), secret], message_id=message_id, timestamp=NOW, body=body)
    )

    assert verify(secret, headers=sent, body=body, at=NOW)


@pytest.mark.parametrize(
    ("at", "accepted"), [(NOW - 301, False), (NOW - 300, True), (NOW + 300, True), (NOW + 301, False)]
)
def test_a_webhook_is_accepted_within_five_minutes(at: int, accepted: bool) -> None:
    secret = new_secret()
    sent = headers("msg_1", NOW, sign([secret], message_id="msg_1", timestamp=NOW, body=b"{}"))

    assert verify(secret, headers=sent, body=b"{}", at=at) is accepted


def test_nothing_verifies_after_any_part_was_changed() -> None:
    secret = new_secret()
    sent = headers("msg_1", NOW, sign([secret], message_id="msg_1", timestamp=NOW, body=b"{}"))

    assert verify(secret, headers=sent, body=b"{}", at=NOW)
    assert not verify(secret, headers=sent, body=b"{ }", at=NOW)
    assert not verify(secret, headers=sent | {"webhook-id": "msg_2"}, body=b"{}", at=NOW)
    assert not verify(secret, headers=sent | {"webhook-timestamp": str(NOW + 1)}, body=b"{}", at=NOW)
    assert not verify(new_secret(), headers=sent, body=b"{}", at=NOW)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", [None, "", "x", "v1,", "v1a,AAAA", "٣", "-1", "1e9", "\ud800", "9" * 400])
def test_a_missing_or_odd_header_is_a_no_and_not_an_error(name: str, value: str | None) -> None:
    secret = new_secret()
    sent = headers("msg_1", NOW, sign([secret], message_id="msg_1", timestamp=NOW, body=b"{}"))
    del sent[name]

    assert not verify(secret, headers=sent if value is None else sent | {name: value}, body=b"{}", at=NOW)


def test_an_empty_secret_verifies_nothing() -> None:
    sent = headers("msg_1", NOW, sign([b""], message_id="msg_1", timestamp=NOW, body=b"{}"))

    assert not verify(b"", headers=sent, body=b"{}", at=NOW)


def test_another_version_of_the_signature_is_passed_over() -> None:
    secret = parse_secret(VECTOR_SECRET)
    ed25519 = "v1a," + base64.b64encode(bytes(64)).decode()
    sent = headers(VECTOR["message_id"], VECTOR["timestamp"], f"{ed25519} {VECTOR_SIGNATURE}")

    assert verify(secret, headers=sent, body=VECTOR["body"], at=VECTOR["timestamp"])
    assert not verify(
        secret, headers=sent | {"webhook-signature": ed25519}, body=VECTOR["body"], at=VECTOR["timestamp"]
    )


def test_an_id_with_a_full_stop_is_neither_signed_nor_believed() -> None:
    secret = new_secret()
    with pytest.raises(ValueError, match=r"^msg_1\.2: expected an id without a full stop$"):
        sign([secret], message_id="msg_1.2", timestamp=NOW, body=b"{}")
    # The same bytes are signed: 1.2.3.{} as the id 1 at the time 2, or as the id 1.2 at the time 3.
    sent = headers(
        f"msg_1.{NOW}", NOW, sign([secret], message_id="msg_1", timestamp=NOW, body=b"%d.{}" % NOW)
    )

    assert not verify(secret, headers=sent, body=b"{}", at=NOW)
