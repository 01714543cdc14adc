"""A HAProxy of a test's own, where the program is installed, and small servers behind it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from polycloud.loadbalancer.drivers.haproxy import HAProxyDriver
from polycloud.sandbox.machines.addresses import free_port
from support import kit

CONFIG = """
global
  stats socket {folder}/socket mode 600 level admin
  stats socket ipv4@127.0.0.1:{api} level admin
  stats socket {folder}/operator mode 600 level operator
  nbthread 2
defaults
  mode http
  option redispatch
  retries 0
  timeout connect 2s
  timeout client 20s
  timeout server 20s
frontend f
  bind 127.0.0.1:{front}
  default_backend web
{backends}
"""

LISTENING = """
listen web
  bind 127.0.0.1:{listen}
  option socket-stats
backend other
  balance leastconn
"""
"""Two backends; the port of the first is known: it is a `listen` section whose sockets are shown."""


TRIES = 3
"""Starts after which it is the configuration that is wrong."""


class HAProxy(NamedTuple):
    """A HAProxy that runs: its sockets, the ports of its runtime API and of its frontend, its process."""

    folder: Path
    api: int
    front: int
    process: subprocess.Popen[bytes]

    @property
    def path(self) -> str:
        return str(self.folder / "socket")

    def driver(self) -> HAProxyDriver:
        return HAProxyDriver(self.path)


@contextmanager
def haproxy(backends: str) -> Iterator[HAProxy]:
    """Start a HAProxy with these backends, the frontend in front of `web`; skip where there is none."""
    if "POLYCLOUD_TRAFFIC" in os.environ:
        kit.started("haproxy")  # installs it
    program = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip("HAProxy is not installed")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="haproxy")))  # a short path
        tries = (_started(program, folder, backends, stack) for _ in range(TRIES))
        running = next(filter(None, tries), None)
        assert running is not None, "HAProxy refuses its configuration"
        yield running


def _started(program: str, folder: Path, backends: str, stack: ExitStack) -> HAProxy | None:
    """Start a HAProxy; return None if it has ended, as when another program took one of its ports."""
    api, front = free_port(), free_port()
    listen = backends.format(listen=free_port(), folder=folder)
    text = CONFIG.format(folder=folder, api=api, front=front, backends=listen)
    (folder / "haproxy.cfg").write_text(text)
    process = stack.enter_context(
        subprocess.Popen([program, "-f", str(folder / "haproxy.cfg"), "-q"], stdin=subprocess.DEVNULL)
    )
    stack.callback(process.kill)
    ends_at = time.monotonic() + 10
    while process.poll() is None:
        assert time.monotonic() < ends_at, "HAProxy does not start"
        with socket.socket(socket.AF_UNIX) as line, suppress(OSError):
            line.connect(str(folder / "socket"))
            return HAProxy(folder, api, front, process)
        time.sleep(0.02)  # noqa: TID251 - a test's own wait
    return None


class Site:
    """An HTTP server on 127.0.0.1 that takes `delay` seconds for a response, which is its version.

    `restart` stops it as an operator would who does not care about connections: all are cut.
    """

    def __init__(self, delay: float = 0.0, boot: float = 0.0) -> None:
        self.delay, self.boot = delay, boot
        self.port = free_port()
        self.version = 1
        self.requests = 0
        self.cut = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._open: set[asyncio.StreamWriter] = set()
        self._busy = 0
        self._server: asyncio.Server | None = None
        self._call(self._start())

    def _call(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)  # type: ignore[arg-type]

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, reuse_address=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while (await reader.readuntil(b"\r\n\r\n")).strip():
                self._busy += 1
                try:
                    self.requests += 1
                    await asyncio.sleep(self.delay)
                    body = str(self.version).encode()
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                    await writer.drain()
                finally:
                    self._busy -= 1
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has gone
        finally:
            self._open.discard(writer)
            writer.close()

    async def _stop(self) -> None:
        assert self._server is not None
        self.cut += self._busy
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()

    def stop(self) -> None:
        self._call(self._stop())

    def restart(self) -> None:
        """Install the next version: the server is down for `boot` seconds."""
        self.stop()
        time.sleep(self.boot)  # noqa: TID251 - the server's own time
        self.version += 1
        self._call(self._start())

    def wait_for_a_request(self, limit: float = 10.0) -> None:
        """Return once a request is being served."""
        ends_at = time.monotonic() + limit
        while not self._busy:
            assert time.monotonic() < ends_at, "no request comes"
            time.sleep(0.01)  # noqa: TID251 - a test's own wait

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for one in others:
            one.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def close(self) -> None:
        self.stop()
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@contextmanager
def sites(count: int, delay: float = 0.0, boot: float = 0.0) -> Iterator[list[Site]]:
    """Run some servers."""
    made = [Site(delay, boot) for _ in range(count)]
    try:
        yield made
    finally:
        for one in made:
            one.close()
