"""Certificates good and bad, for servers of tests."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec

OLD = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
LOCALHOST = ("localhost", "127.0.0.1")


@dataclass
class Certificate:
    """A certificate in a file, its key in another; `authority` vouches for it."""

    cert: Path
    key: Path
    authority: Path

    def server_context(self, newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED) -> ssl.SSLContext:
        """A server's settings, which speak no newer TLS than `newest`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        if newest in OLD:  # which OpenSSL would not speak by itself
            context.minimum_version = newest
            context.set_ciphers("ALL:@SECLEVEL=0")
        context.maximum_version = newest
        return context


class Authority:
    """Issues certificates into `folder`; its own is `cert`."""

    def __init__(self, folder: Path, name: str = "the tests' authority") -> None:
        self.folder = folder
        self.name = _name(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.cert = folder / f"{name}.pem".replace(" ", "-")
        own = self._draft(self.name, self._key, timedelta(days=2))
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        own = own.add_extension(_usage(), critical=True)
        self.cert.write_bytes(own.sign(self._key, hashes.SHA256()).public_bytes(form.Encoding.PEM))

    def issue(
        self,
        hosts: tuple[str, ...] = LOCALHOST,
        ends_in: timedelta = timedelta(days=1),
        *,
        own: bool = False,
    ) -> Certificate:
        """A certificate for `hosts` (names and addresses); `own`: self-signed, by the authority's own key."""
        key = self._key if own else ec.generate_private_key(ec.SECP256R1())
        subject = self.name if own else _name(hosts[0])
        names = x509.SubjectAlternativeName([_general(host) for host in hosts])
        draft = self._draft(subject, key, ends_in).add_extension(names, critical=False)
        made = Certificate(self.folder / "server.pem", self.folder / "server.key", self.cert)
        made.cert.write_bytes(draft.sign(self._key, hashes.SHA256()).public_bytes(form.Encoding.PEM))
        made.key.write_bytes(
            key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
        )
        return made

    def _draft(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, ends_in: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=3))
            .not_valid_after(now + ends_in)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(identifier, critical=False)
        )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage() -> x509.KeyUsage:
    wanted = {"key_cert_sign", "crl_sign"}
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: name in wanted for name in names})
