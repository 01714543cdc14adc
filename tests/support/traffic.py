"""Clients that send requests through a balancer, and count those that are lost."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CLIENTS = 8


class Traffic:
    """Requests of clients that keep their connections; `lost` counts all but responses with status 200."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.sent = 0
        self.lost: Counter[str] = Counter()
        self.served: Counter[str] = Counter()
        self.slowest = 0.0
        self._stopped = threading.Event()

    def wait_for(self, requests: int, limit: float = 600.0) -> None:
        """Return once so many further requests have been sent."""
        enough, ends_at = self.sent + requests, time.monotonic() + limit
        while self.sent < enough:
            assert time.monotonic() < ends_at, f"{self.sent} requests of {enough} within {limit} s"
            time.sleep(0.01)  # noqa: TID251 - a test's own wait

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        await asyncio.gather(*(self._client() for _ in range(CLIENTS)))

    async def _client(self) -> None:
        while not self._stopped.is_set():
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError as error:
                self._count(f"{type(error).__name__}")
                await asyncio.sleep(0.01)
                continue
            try:
                for _ in range(20):  # then a new connection
                    if self._stopped.is_set():
                        break
                    if not await self._request(reader, writer):
                        break
            finally:
                writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        began = time.monotonic()
        try:
            writer.write(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n")
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
            status = head.split(b" ", 2)[1].decode()
            if status != "200":
                self._count(status)
                return False
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
        except (OSError, EOFError, TimeoutError, IndexError) as error:
            self._count(type(error).__name__)
            return False
        self.sent += 1
        self.served[body.decode()] += 1
        self.slowest = max(self.slowest, time.monotonic() - began)
        return True

    def _count(self, what: str) -> None:
        self.sent += 1
        self.lost[what] += 1

    def stop(self) -> None:
        self._stopped.set()

    def __str__(self) -> str:
        return (
            f"{sum(self.lost.values())} of {self.sent} requests lost {dict(self.lost) or ''}; "
            f"served by {len(self.served)} versions; the slowest took {self.slowest:.3f} s"
        )


def request(port: int) -> str:
    """Send one request; return the status of its response, or why there is none."""
    try:
        with socket.create_connection(("127.0.0.1", port), 20) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\nHost: web\r\n\r\n")
            head = connection.recv(4096).decode()
    except OSError as error:
        return type(error).__name__
    return head.split(" ", 2)[1] if head else "nothing"


@contextmanager
def traffic(port: int, tell: Callable[[str], None]) -> Iterator[Traffic]:
    """Send requests as long as the block runs, then tell the figures."""
    running = Traffic(port)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.stop()
        thread.join(30)
        tell(str(running))
