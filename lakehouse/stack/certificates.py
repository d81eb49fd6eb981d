"""Certificates: by which the inner parts of the store know each other, made anew at each start, and
what a server shows before it has one that others trust."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lakehouse.stack.places import write_private
from lakehouse.stack.ports import LOOPBACK

_VALID = timedelta(days=3650)  # a server that runs longer is started again before
_YEAR = timedelta(days=365)


def make(folder: Path) -> None:
    """Write ca.pem, cert.pem and key.pem; the authority's own key is kept by nobody."""
    authority, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    folder.mkdir(mode=0o700, exist_ok=True)
    root = _unsigned("lakehouse", authority.public_key(), is_authority=True)
    part = _for_loopback(_unsigned("part", own.public_key(), is_authority=False))
    write_private(folder / "ca.pem", _signed(root, authority))
    write_private(folder / "cert.pem", _signed(part, authority))
    write_private(folder / "key.pem", _pem(own))


def self_signed(host: str) -> tuple[str, str]:
    """A certificate that nobody vouches for, for one host's name, and its key, both PEM.

    It is valid for a year: time to get one from the hospital's own authority.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    plain = _unsigned(host, key.public_key(), is_authority=False, issuer=host, valid=_YEAR)
    names = x509.SubjectAlternativeName([x509.DNSName(host)])
    return _signed(plain.add_extension(names, critical=False), key), _pem(key)


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _unsigned(
    name: str,
    key: ec.EllipticCurvePublicKey,
    *,
    is_authority: bool,
    issuer: str = "lakehouse",
    valid: timedelta = _VALID,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    constraints = x509.BasicConstraints(ca=is_authority, path_length=None)
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + valid)
        .add_extension(constraints, critical=True)
    )


def _for_loopback(certificate: x509.CertificateBuilder) -> x509.CertificateBuilder:
    names = [x509.IPAddress(ip_address(LOOPBACK)), x509.DNSName("localhost")]
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return certificate.add_extension(
        x509.SubjectAlternativeName(names), critical=False
    ).add_extension(x509.ExtendedKeyUsage(uses), critical=False)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _signed(certificate: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> str:
    signed = certificate.sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()
