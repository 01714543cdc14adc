"""Libcloud's module of TLS settings, read when a driver is made.

Verification cannot be switched off here: a test server with a certificate of its own is trusted by
naming its certificate authority, in `CA_CERTS_PATH` or in a driver's `ca_cert=`.
"""

__all__ = ["CA_CERTS_PATH", "VERIFY_SSL_CERT"]

VERIFY_SSL_CERT: bool = True
CA_CERTS_PATH: str | None = None
