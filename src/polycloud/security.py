"""Libcloud's module of TLS settings, read when a driver is made.

Verification cannot be switched off here: a test server with a certificate of its own is trusted by
naming its certificate authority, in `CA_CERTS_PATH` or in a driver's `ca_cert=`. A driver that is made while
`VERIFY_SSL_CERT` is false warns of that.
"""

__all__ = ["CA_CERTS_PATH", "VERIFY_SSL_CERT", "WARN_LIKE_LIBCLOUD"]

VERIFY_SSL_CERT: bool = True
CA_CERTS_PATH: str | None = None
WARN_LIKE_LIBCLOUD: bool = False
"""Whether what Libcloud lets pass and polycloud refuses gets a warning instead of an error.

So it is under `install_as_libcloud`: plain HTTP to another host, unknown arguments of a driver, and unknown
keys of an upload's `extra`. Under it, what an upload returns has no content type that was guessed.
"""
