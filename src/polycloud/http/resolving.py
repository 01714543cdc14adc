"""Resolve names in bounded time.

No system call does so: `getaddrinfo` waits for name servers as long as the system is set to, and cannot be
stopped. So a thread calls it, and is left to itself when the time is over. Addresses need no thread.
"""

from __future__ import annotations

import socket
from typing import Any

from urllib3.util.connection import allowed_gai_family
from urllib3.util.ssl_ import is_ipaddress as is_ip_address

__all__ = ["is_ip_address", "resolve", "resolved"]


def resolve(host: str, port: int, seconds: float) -> list[tuple[int, Any]]:
    """Return families and addresses of a host. Raises `OSError`, which `TimeoutError` is, without them."""
    if is_ip_address(host):
        return resolved(host, port)
    from polycloud.concurrency.threads import DaemonThreads  # takes 4 ms to import

    found = DaemonThreads().submit(resolved, host, port)
    try:
        return found.result(seconds)
    except TimeoutError:
        raise TimeoutError("the name was not resolved in time") from None


def resolved(host: str, port: int) -> list[tuple[int, Any]]:
    """Return families and addresses of a host, however long that takes. Raises `OSError`, `UnicodeError`."""
    found = socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]
