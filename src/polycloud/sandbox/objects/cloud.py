"""The base of clouds that have an object store and nothing else."""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from polycloud.sandbox.clouds import Clock, Cloud
from polycloud.sandbox.objects.http import Reply, Request, serve

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from polycloud.sandbox.machines import Machines


class ObjectCloud(Cloud):
    """One account with containers of objects. Stopping keeps them, a reset deletes them."""

    no_machines: ClassVar[str | None] = "there are no servers, only objects"

    def __init__(self, settings: Any, clock: Clock, machines: Machines) -> None:
        self.settings, self._clock = settings, clock
        self._epoch = time.time() - clock()
        self._lock = threading.Lock()
        self.reset()

    @abstractmethod
    def handle(self, request: Request) -> Reply:
        """Respond to one request. Raises `Refusal`."""

    @abstractmethod
    def clear(self) -> None:
        """Go to the initial state."""

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        return self._epoch + self._clock()

    def reset(self) -> None:
        """Return to the initial state."""
        with self._lock:
            self.clear()

    def servers(self) -> list[dict[str, Any]]:
        """Return nothing: there are no servers."""
        return []

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await serve(self._locked, scope, receive, send)

    def _locked(self, request: Request) -> Reply:
        with self._lock:
            return self.handle(request)
