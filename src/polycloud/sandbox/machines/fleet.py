"""All machines of one sandbox, on a thread and an event loop of their own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import re
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from polycloud.sandbox.machines.faults import Faults, SSHFault
from polycloud.sandbox.machines.kinds import CHOICES, Isolation, Machine, MachineError, choose

if TYPE_CHECKING:
    import asyncssh

    from polycloud.sandbox.machines.ssh import Door

_log = logging.getLogger("polycloud.sandbox")
_LONGEST_NAME = 63


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who may log in to a machine.

    Attributes:
        username: the one user that there is.
        public_keys: lines such as "ssh-ed25519 AAAA... comment".
        passwords: as they are.
    """

    username: str = "root"
    public_keys: tuple[str, ...] = ()
    passwords: tuple[str, ...] = field(default=(), repr=False)


class Machines:
    """The machines of one sandbox; safe to use from any thread.

    Args:
        ssh: one of `CHOICES`; what is chosen is tried when it is first needed, once a process.
        no_isolation: whether commands may run on this computer where nothing keeps them apart from it.
        delay: seconds from when a machine is on until its SSH port opens.

    Raises:
        ValueError: `ssh` is none of the choices.
    """

    def __init__(self, ssh: str = "auto", *, no_isolation: bool = False, delay: float = 0.0) -> None:
        if ssh not in CHOICES:
            raise ValueError(f"unknown ssh {ssh!r}: choose from {', '.join(CHOICES)}")
        self._ssh, self._no_isolation = ssh, no_isolation
        self.delay = delay
        self.faults = Faults()
        self._isolation: Isolation | None = None
        self._nodes: list[Node] = []
        self._lock = threading.RLock()
        self._open = False
        self._loop: _Loop | None = None

    @property
    def isolation(self) -> Isolation:
        """What was chosen; MachineError if a kind was named that does not work here."""
        with self._lock:
            if self._isolation is None:
                self._isolation = choose(self._ssh, no_isolation=self._no_isolation)
            return self._isolation

    @property
    def is_open(self) -> bool:
        """Whether machines may run."""
        return self._open

    def check(self) -> None:
        """Raise MachineError if a kind was named that does not work here."""
        if self._ssh not in {"auto", "off"}:
            _ = self.isolation

    def open(self) -> None:
        """Let machines run; those that ran when the sandbox was closed boot with empty files."""
        with self._lock:
            self._open = True
            for node in self._nodes:
                node.resume()

    def close(self) -> None:
        """End all machines, and the thread, before it returns."""
        with self._lock:
            loop, self._loop, self._open = self._loop, None, False
        if loop:
            loop.stop([node.end for node in self._nodes])

    def clear(self) -> None:
        """Remove all machines before it returns."""
        with self._lock:
            nodes = list(self._nodes)
        concurrent.futures.wait([work for node in nodes if (work := node.remove())])

    def add(self, name: str, address: str, access: Access) -> Node | None:
        """A machine that does not run yet; None where there are no machines."""
        if self.isolation.ssh_port is None:
            return None
        with self._lock:
            node = Node(self, host_name(name), address, access)
            node.await_address([other for other in self._nodes if other.address == address])
            self._nodes.append(node)
        return node

    def discard(self, node: Node) -> None:
        """Forget a machine that has been removed."""
        with self._lock, contextlib.suppress(ValueError):
            self._nodes.remove(node)

    def fault(self, fault: SSHFault | None, times: int | None) -> None:
        """See `Sandbox.ssh_fault`."""
        self.faults.set(fault, times)
        with self._lock:
            nodes = list(self._nodes)
        concurrent.futures.wait([work for node in nodes if (work := self.submit(node.move_door))])

    def submit(self, work: Callable[[], Coroutine[Any, Any, None]]) -> concurrent.futures.Future[None] | None:
        """Begin to do this on the loop; None while the sandbox is closed."""
        with self._lock:
            if not self._open:
                return None
            if self._loop is None:
                self._loop = _Loop()
            return self._loop.submit(work)


class Node:
    """One machine. Its calls return at once; what they ask for is done in order, in the background."""

    def __init__(self, machines: Machines, name: str, address: str, access: Access) -> None:
        self._machines, self._name, self.address, self._access = machines, name, address, access
        self._leaving: list[Node] = []
        self._order = asyncio.Lock()
        self._work: concurrent.futures.Future[None] | None = None
        self._on = False
        self._machine: Machine | None = None
        self._host_key: asyncssh.SSHKey | None = None
        self._door: Door | None = None
        self._opening: asyncio.Task[None] | None = None
        self._may_open = False
        self.state = "off"

    @property
    def busy(self) -> bool:
        """Whether something that was asked for has not been done yet."""
        return self._work is not None and not self._work.done()

    def start(self, seconds: float = 0.0) -> None:
        """Boot, unless it runs; what boots it at the cloud takes so many seconds."""
        delay = seconds + self._machines.delay if self._machines.delay else 0.0
        self._on = True
        self._submit(lambda: self._boot(delay))

    def stop(self) -> None:
        """End its processes and its SSH, keep its files."""
        self._on = False
        self._submit(self._halt)

    def restart(self, seconds: float = 0.0) -> None:
        """Stop and start."""
        self.stop()
        self.start(seconds)

    def admit(self, access: Access) -> None:
        """Let these log in, and nobody else, from the next boot on."""
        self._access = access

    def remove(self) -> concurrent.futures.Future[None] | None:
        """Stop, and forget its files; its address is free when this is done."""
        self._on = False
        work = self._submit(self._leave)
        if work is None:
            self._machines.discard(self)
        return work

    def await_address(self, leaving: list[Node]) -> None:
        """Boot only when these, which have the address and are being removed, are gone."""
        self._leaving = leaving

    def resume(self) -> None:
        """Boot if it ran when the sandbox was closed."""
        self._order = asyncio.Lock()  # the last one belongs to the last loop
        if self._on:
            self.start()

    def _submit(
        self, work: Callable[[], Coroutine[Any, Any, None]]
    ) -> concurrent.futures.Future[None] | None:
        self._work = self._machines.submit(lambda: self._in_turn(work))
        return self._work

    async def _in_turn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async with self._order:
            try:
                await work()
            except Exception:  # noqa: BLE001 - nobody else would say it, and others wait for this turn
                _log.exception("the machine %s at %s", self._name, self.address)

    # The rest runs on the loop.

    async def _boot(self, delay: float) -> None:
        if self.state == "on" or not self._machines.is_open:
            return
        opens = asyncio.get_running_loop().time() + delay
        self.state = "booting"
        while self._leaving:
            await self._leaving.pop().settle()
        try:
            await asyncio.to_thread(self._boot_machine)
            self.state = "on"
            if delay:
                self._opening = asyncio.create_task(self._open_at(opens))
            else:
                await self._open()
        except (MachineError, OSError) as error:
            _log.warning("the machine %s at %s does not work: %s", self._name, self.address, error)
            self.state = f"failed: {error}"

    def _boot_machine(self) -> None:
        if self._machine is None:
            self._machine = self._machines.isolation.machine(self._name, self.address)
        self._machine.boot()

    async def _open_at(self, opens: float) -> None:
        await asyncio.sleep(opens - asyncio.get_running_loop().time())
        await self._open()

    async def _open(self) -> None:
        self._may_open = True
        await self.move_door()

    async def move_door(self) -> None:
        """Open or close the SSH port, as the machine and the fault in force will have it."""
        from polycloud.sandbox.machines import ssh

        if not self._may_open or self._machine is None:
            return
        if self._host_key is None:
            self._host_key = ssh.new_host_key()
        if self._door is None:
            identity = ssh.Identity(self._machine, self._host_key, self._access)
            self._door = ssh.Door(identity, self._machines.faults)
        if self._machines.faults.refusing:
            self._door.shut()
        else:
            self._door.open()

    async def _halt(self) -> None:
        self._may_open = False
        if self._opening:
            self._opening.cancel()
            self._opening = None
        if self._door:
            await self._door.close()
            self._door = None
        if self._machine:
            await asyncio.to_thread(self._machine.halt)
        self.state = "off"

    async def settle(self) -> None:
        """Wait until everything is done that was asked for before."""
        async with self._order:
            pass

    async def end(self) -> None:
        """Halt, and forget everything that is on the machine, after what was asked for before."""
        await self._in_turn(self._vanish)

    async def _leave(self) -> None:
        await self._vanish()
        self._machines.discard(self)

    async def _vanish(self) -> None:
        await self._halt()
        if self._machine:
            machine, self._machine = self._machine, None
            await asyncio.to_thread(machine.remove)


class _Loop:
    """A thread with an event loop."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=asyncio.SelectorEventLoop)
        self._loop = self._runner.get_loop()
        self._thread = threading.Thread(target=self._run, name="sandbox-machines", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._runner:
            self._loop.run_forever()

    def submit(self, work: Callable[[], Coroutine[Any, Any, None]]) -> concurrent.futures.Future[None]:
        return asyncio.run_coroutine_threadsafe(work(), self._loop)

    def stop(self, last: list[Callable[[], Coroutine[Any, Any, None]]]) -> None:
        """Do the last things, side by side, and end."""

        async def finish() -> None:
            await asyncio.gather(*(work() for work in last))

        self.submit(finish).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


def host_name(name: str) -> str:
    """What of a server's name can be a host name; "server" if nothing can."""
    kept = re.sub(r"[^a-z0-9.-]+", "-", name.lower())[:_LONGEST_NAME]
    return kept.strip("-.") or "server"
