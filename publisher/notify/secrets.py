"""Endpoints' signing secrets: made, shown, read back, and kept encrypted."""

import base64
import binascii
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from publisher.errors import InvalidInput, SettingsError

SECRET_PREFIX = "whsec_"
_SECRET_BYTES = 32
_SHORTEST, _LONGEST = 24, 64
_KEY_CHARACTERS = 16
_NONCE_BYTES = 12
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


class SecretBox:
    """Encrypts secrets for the record with a key derived from PUBLISHER_SECRET_KEY (AES-256-GCM)."""

    def __init__(self, key: str) -> None:
        """Derive the key.

        Raises:
            SettingsError: when the setting has fewer than 16 characters.
        """
        if len(key) < _KEY_CHARACTERS:
            raise SettingsError(f"PUBLISHER_SECRET_KEY: must have at least {_KEY_CHARACTERS} characters")
        derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"publisher endpoint secrets")
        self._cipher = AESGCM(derive.derive(key.encode("utf-8", "surrogatepass")))

    def encrypt(self, secret: bytes, *, owner: bytes) -> bytes:
        """Return what may be stored.

        Args:
            owner: the id of the endpoint; what was encrypted for one endpoint does not open for another.
        """
        nonce = os.urandom(_NONCE_BYTES)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, secret, _FORMAT + owner)

    def decrypt(self, stored: bytes, *, owner: bytes) -> bytes:
        """Return the secret that `encrypt` was given.

        Raises:
            SettingsError: when it was encrypted with another key or for another owner, or was changed since.
        """
        form, nonce, sealed = stored[:1], stored[1 : 1 + _NONCE_BYTES], stored[1 + _NONCE_BYTES :]
        try:
            # The form is part of what is authenticated: an unknown one fails like a wrong key.
            return self._cipher.decrypt(nonce, sealed, form + owner)
        except (InvalidTag, ValueError) as error:  # ValueError: cut off inside the nonce
            raise SettingsError(
                "PUBLISHER_SECRET_KEY: is not the key that the stored endpoint secrets were encrypted with"
            ) from error
