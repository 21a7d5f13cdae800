"""Certificates for receivers on this machine, and the authority of our own that senders are told to trust."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from benchmarks.receivers import address_of

TRUST = "SSL_CERT_FILE"
"""The variable that tells a sender whom to trust."""

_HOSTS_OF_EACH = 100
_LASTS = timedelta(days=1)
_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "benchmarks")])


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """What the hosts 1 to n show.

    Attributes:
        authority: the file of the certificate that signed the others.
        shown: files of a certificate and its key; host n shows the one at n modulo their number.
    """

    authority: Path
    shown: Sequence[Path]


def certify(hosts: int, folder: Path) -> Certificates:
    """Make certificates (P-256) for so many hosts, a hundred in each, and an authority for them."""
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    authority = folder / "authority.pem"
    authority.write_bytes(_signed(key, key, []).public_bytes(Encoding.PEM))
    parts = -(-hosts // _HOSTS_OF_EACH)
    shown = [folder / f"{part}.pem" for part in range(parts)]
    for part, file in enumerate(shown):
        own = ec.generate_private_key(ec.SECP256R1())
        addresses = [address_of(host) for host in range(1, hosts + 1) if host % parts == part]
        secret = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(_signed(own, key, addresses).public_bytes(Encoding.PEM) + secret)
    return Certificates(authority=authority, shown=shown)


def _signed(
    own: ec.EllipticCurvePrivateKey, signs: ec.EllipticCurvePrivateKey, addresses: Sequence[str]
) -> x509.Certificate:
    """Return the certificate of addresses, or of the authority that signs if there are none."""
    now = datetime.now(UTC)
    is_authority = not addresses
    made = (
        x509.CertificateBuilder(_NAME, _NAME, own.public_key(), x509.random_serial_number())
        .not_valid_before(now - _LASTS)
        .not_valid_after(now + _LASTS)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signs.public_key()), critical=False)
        .add_extension(_usage(is_authority=is_authority), critical=True)
    )
    if addresses:
        names = [x509.IPAddress(ip_address(one)) for one in addresses]
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return made.sign(signs, SHA256())


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
