"""Resolve names in bounded time.

No system call does so: `getaddrinfo` waits for name servers as long as the system is set to, and cannot be
stopped. So a thread calls it, and is left to itself when the time is over. Addresses need no thread.
"""

from __future__ import annotations

import socket
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, cast

from urllib3.util.connection import allowed_gai_family
from urllib3.util.ssl_ import is_ipaddress as is_ip_address

__all__ = ["is_ip_address", "resolve", "resolved"]


def resolve(host: str, port: int, seconds: float) -> list[tuple[int, Any]]:
    """Return families and addresses of a host. Raises `OSError`, which `TimeoutError` is, without them."""
    if is_ip_address(host):
        return resolved(host, port)
    outcome: SimpleQueue[Any] = SimpleQueue()

    def run() -> None:
        try:
            outcome.put(resolved(host, port))
        except (OSError, UnicodeError) as error:
            outcome.put(error)

    Thread(target=run, name=f"resolve {host}", daemon=True).start()
    try:
        found = outcome.get(timeout=seconds)
    except Empty:
        raise TimeoutError("the name was not resolved in time") from None
    if isinstance(found, Exception):
        raise found
    return cast("list[tuple[int, Any]]", found)


def resolved(host: str, port: int) -> list[tuple[int, Any]]:
    """Return families and addresses of a host, however long that takes. Raises `OSError`, `UnicodeError`."""
    found = socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]
