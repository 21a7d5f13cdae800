"""Endpoints' signing secrets: made, shown, read back, and kept encrypted."""

import base64
import binascii
import os
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from publisher.errors import InvalidInput, SettingsError
from publisher.settings import Settings

WRONG_KEY = (
    "PUBLISHER_SECRET_KEY: is not the key that the stored endpoint secrets were encrypted with,"
    " nor is one of PUBLISHER_OLD_SECRET_KEYS"
)
"""What is said when no key opens what is stored."""

SECRET_PREFIX = "whsec_"
_SECRET_BYTES = 32
_SHORTEST, _LONGEST = 24, 64
_KEY_CHARACTERS = 16
_NONCE_BYTES = 12
# Secrets that stay decrypted in memory, where the key is, too.
_KNOWN = 16_384
# What every stored secret starts with, so that a later way to encrypt can tell its own from these.
_FORMAT = b"\x01"


def new_secret() -> bytes:
    """Return 32 random bytes."""
    return os.urandom(_SECRET_BYTES)


def show_secret(secret: bytes) -> str:
    """Return the secret as receivers configure it: `whsec_` and standard base64."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def parse_secret(text: str, *, pointer: str = "/secret") -> bytes:
    """Return the bytes of a secret as `show_secret` writes it; prefix and padding may be missing.

    Raises:
        InvalidInput: when it is not standard base64, or not 24 to 64 bytes long.

    Source: Standard Webhooks 1.0.0, “Signature scheme”.
    """
    encoded = text.removeprefix(SECRET_PREFIX).rstrip("=")
    try:
        secret = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        # The value itself never enters the message: messages are logged.
        raise InvalidInput.of(pointer, "must be whsec_ and standard base64 (+ and /, not - and _)") from error
    if not _SHORTEST <= len(secret) <= _LONGEST:
        raise InvalidInput.of(pointer, f"must hold {_SHORTEST} to {_LONGEST} bytes, not {len(secret)}")
    return secret


class KeyAge(StrEnum):
    """Which of the keys opens what is stored."""

    CURRENT = "current"  # PUBLISHER_SECRET_KEY
    OLD = "old"  # one of PUBLISHER_OLD_SECRET_KEYS
    UNKNOWN = "unknown"  # none


class SecretBox:
    """Encrypts secrets for the record with a key derived from PUBLISHER_SECRET_KEY (AES-256-GCM)."""

    def __init__(self, key: str, *, old: Sequence[str] = ()) -> None:
        """Derive the keys.

        Args:
            key: encrypts, and decrypts.
            old: only decrypt what was encrypted with them before.

        Raises:
            SettingsError: when one has fewer than 16 characters.
        """
        self._current = _cipher("PUBLISHER_SECRET_KEY", key)
        self._ciphers = (self._current, *(_cipher("PUBLISHER_OLD_SECRET_KEYS", one) for one in old))
        # An endpoint's secrets are needed for each message that it is sent.
        self._decrypted = lru_cache(_KNOWN)(self._decrypt)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the box of the settings.

        Raises:
            SettingsError: when PUBLISHER_SECRET_KEY is not set.
        """
        return cls(settings.require("secret_key"), old=settings.old_secret_keys)

    def encrypt(self, secret: bytes, *, owner: bytes) -> bytes:
        """Return what may be stored.

        Args:
            owner: the id of the endpoint; what was encrypted for one endpoint does not open for another.
        """
        nonce = os.urandom(_NONCE_BYTES)
        return _FORMAT + nonce + self._current.encrypt(nonce, secret, _FORMAT + owner)

    def decrypt(self, stored: bytes, *, owner: bytes) -> bytes:
        """Return the secret that `encrypt` was given.

        Raises:
            SettingsError: when no key opens it, it was encrypted for another owner, or was changed since.
        """
        secret = self._decrypted(stored, owner)
        if secret is None:
            raise SettingsError(WRONG_KEY)
        return secret

    def _decrypt(self, stored: bytes, owner: bytes) -> bytes | None:
        opened = (_opened(cipher, stored, owner) for cipher in self._ciphers)
        return next((secret for secret in opened if secret is not None), None)

    def age(self, stored: bytes, *, owner: bytes) -> KeyAge:
        """Return which key is needed to decrypt it."""
        for cipher in self._ciphers:
            if _opened(cipher, stored, owner) is not None:
                return KeyAge.CURRENT if cipher is self._current else KeyAge.OLD
        return KeyAge.UNKNOWN


def _cipher(name: str, key: str) -> AESGCM:
    if len(key) < _KEY_CHARACTERS:
        raise SettingsError(f"{name}: must have at least {_KEY_CHARACTERS} characters")
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"publisher endpoint secrets")
    return AESGCM(derive.derive(key.encode("utf-8", "surrogatepass")))


def _opened(cipher: AESGCM, stored: bytes, owner: bytes) -> bytes | None:
    form, nonce, sealed = stored[:1], stored[1 : 1 + _NONCE_BYTES], stored[1 + _NONCE_BYTES :]
    try:
        # The form is part of what is authenticated: an unknown one fails like a wrong key.
        return cipher.decrypt(nonce, sealed, form + owner)
    except (InvalidTag, ValueError):  # ValueError: cut off inside the nonce
        return None
