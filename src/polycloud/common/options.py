"""What connections are made with: the options of every driver, and the checks of their values."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypedDict

from polycloud import security
from polycloud.errors import InvalidArgumentError
from polycloud.http.messages import Transport, is_loopback
from polycloud.http.retry import RetryPolicy, require_number
from polycloud.utils.values import shown

if TYPE_CHECKING:
    from urllib.parse import SplitResult

__all__ = [
    "ConnectionOptions",
    "allows_plain_http",
    "authorities",
    "retry_policy",
    "split_url",
    "user_agent_words",
    "valid_host",
    "valid_port",
]

HOST = r"[A-Za-z0-9._:%-]+"
PORTS = range(1, 65536)

# Not a class: typing would compile its annotations one by one, which takes time at import
ConnectionOptions = TypedDict(  # noqa: UP013
    "ConnectionOptions",
    {
        "url": str | None,
        "timeout": float | tuple[float, float] | None,
        "deadline": float | None,
        "retry": RetryPolicy | None,
        "proxy_url": str | None,
        "ca_cert": str | None,
        "client_cert": str | tuple[str, str] | None,
        "allow_insecure": bool,
        "transport": Transport | None,
        "user_agent_append": str | Iterable[str],
        "pool_size": int | None,
        "body_limit": int | None,
        "value_limit": int | None,
        "retry_delay": float | None,
        "backoff": float | None,
    },
    total=False,
)
"""The keyword arguments of every driver, beyond `secure`, `host` and `port`.

`url` (instead of `secure`, `host` and `port`; its path, unless it is `/`, replaces `request_path`),
`timeout` (seconds without a byte of the response, or the pair of connect and read timeouts),
`deadline` (seconds for a call with all its retries), `retry` (a `RetryPolicy`), `proxy_url`,
`ca_cert` (a file), `client_cert` (a file, or the pair of certificate and key file),
`allow_insecure` (permit plain HTTP to other hosts), `transport` (instead of urllib3),
`user_agent_append` (text for the end of the user agent), `pool_size` (the most connections),
`body_limit` (the most bytes of a response that is not streamed, after decompression), `value_limit` (the
most values in a response: of JSON all values, of XML tags and attributes); `retry_delay` and `backoff` as
in Libcloud (seconds before the first retry, and the factor by which each pause grows).
"""


def retry_policy(retry_delay: float | None, backoff: float | None) -> RetryPolicy:
    """Return the policy for Libcloud's two options. Raises `InvalidArgumentError` unless they are numbers."""
    for name, value in (("retry_delay", retry_delay), ("backoff", backoff)):
        if value is not None:
            require_number(name, value)
    policy = RetryPolicy()
    return RetryPolicy(
        base=policy.base if retry_delay is None else retry_delay,
        factor=policy.factor if backoff is None else backoff,
    )


def user_agent_words(append: str | Iterable[str]) -> tuple[str, ...]:
    """Return the words for the end of the user agent. Raises `InvalidArgumentError` for other text."""
    several = isinstance(append, Iterable) and not isinstance(append, str | bytes)
    words: tuple[Any, ...] = tuple(append) if several else (append,)
    for word in words:
        if not isinstance(word, str) or not word.isascii() or not word.isprintable():
            raise InvalidArgumentError(f"user_agent_append must be printable ASCII text, got {shown(word)}")
    return words


def split_url(url: str) -> SplitResult:
    """Split an address of a provider. Raises `InvalidArgumentError` for other text, without showing it."""
    from urllib.parse import urlsplit  # takes 2 ms to import

    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        if usable and not (parts.query or parts.fragment or "@" in parts.netloc):
            return parts
    except (ValueError, AttributeError, TypeError):
        pass
    # The text itself may hold a password
    raise InvalidArgumentError(
        "url must be like https://api.example.com:8443/v2, without user, password and query"
    )


def valid_host(host: str) -> str:
    """Return a host name or address, without brackets. Raises `InvalidArgumentError` for other text."""
    bare = host.strip("[]") if isinstance(host, str) else ""
    if not re.fullmatch(HOST, bare):
        given = host.rpartition("@")[2] if isinstance(host, str) else host  # before an @ may be a password
        raise InvalidArgumentError(f"host must be a host name or address, got {shown(given)}")
    return bare


def valid_port(port: int | str) -> int:
    """Return a port as a number. Raises `InvalidArgumentError` unless it is one."""
    valid = isinstance(port, int) and not isinstance(port, bool)
    number = int(port) if valid or (isinstance(port, str) and re.fullmatch(r"[0-9]{1,5}", port)) else 0
    if number not in PORTS:
        raise InvalidArgumentError(f"port must be 1 to 65535, got {shown(port)}")
    return number


def allows_plain_http(host: str, allowed: bool) -> bool:
    """Return whether plain HTTP may be sent to a host: this machine, or `allowed`, or by the environment.

    In a program written for Libcloud it may be, after a warning.
    """
    exempt = os.environ.get("POLYCLOUD_ALLOW_INSECURE", "").replace(" ", "").split(",")
    if allowed or is_loopback(host) or host in exempt:
        return True
    if security.WARN_LIKE_LIBCLOUD:
        warn_caller(f"plain HTTP to {host} exposes the credentials on the network; use HTTPS")
    return security.WARN_LIKE_LIBCLOUD


def authorities(ca_cert: str | None) -> str | None:
    """Return the file of the authorities to trust: `ca_cert`, or what `security.CA_CERTS_PATH` names.

    Warns if `security.VERIFY_SSL_CERT` is false: certificates are verified all the same.
    """
    if not security.VERIFY_SSL_CERT:
        warn_caller(
            "VERIFY_SSL_CERT = False has no effect, certificates are always verified; to trust a server with "
            "a certificate of its own, name the file of its authority in security.CA_CERTS_PATH or ca_cert="
        )
    if ca_cert is not None:
        return ca_cert
    named: Any = security.CA_CERTS_PATH
    is_list = isinstance(named, list) and len(named) == 1
    return named[0] if is_list else named  # type: ignore[no-any-return] # as programs for older Libcloud set it


def refuse(message: str) -> None:
    """Raise `InvalidArgumentError` for what Libcloud ignores; in a program written for it, only warn."""
    if not security.WARN_LIKE_LIBCLOUD:
        raise InvalidArgumentError(message)
    warn_caller(message)


def warn_caller(message: str) -> None:
    import warnings

    own = ("polycloud", "libcloud")
    frame: Any = sys._getframe(1)  # noqa: SLF001 - the program's line, not one of ours, is to be shown
    level = 1
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in own:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, RuntimeWarning, stacklevel=level + 1)
