"""All machines of one sandbox, on a thread and an event loop of their own.

A cloud calls a machine's methods while it serves a request, so they must return at once, although a boot
takes 0.1 s. They submit work to the loop, where each machine has a lock: asyncio's locks are fair, so the
work of one machine is done in the order in which it was submitted, and machines do not wait for each other.
Methods that block (`isolation.Machine`) run in threads of their own: the pool of the loop takes no work any
more once the program has come to its end, where machines may still be busy.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import re
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from polycloud.sandbox.machines.faults import Faults, SSHFault
from polycloud.sandbox.machines.isolation import Access, Isolation, Machine, MachineError
from polycloud.sandbox.machines.kinds import CHOICES, choose

if TYPE_CHECKING:
    import asyncssh

    from polycloud.sandbox.machines.ssh import Listener

_log = logging.getLogger("polycloud.sandbox")
_Work = Callable[[], Coroutine[Any, Any, None]]
_MAX_NAME = 63
_MOST_THREADS = 8


class Machines:
    """The machines of one sandbox; may be used from any thread.

    Args:
        ssh: one of `CHOICES`; it is tried when it is first needed, once per process.
        no_isolation: whether commands may run on this computer if nothing isolates them from it.
        delay: seconds from when a machine is on until its SSH port opens.

    Raises:
        ValueError: `ssh` is not one of `CHOICES`.
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
        self._threads = asyncio.Semaphore(_MOST_THREADS)
        self._loop: _Loop | None = None

    @property
    def isolation(self) -> Isolation:
        """What was chosen; MachineError if it was named and does not work here."""
        with self._lock:
            if self._isolation is None:
                self._isolation = choose(self._ssh, no_isolation=self._no_isolation)
            return self._isolation

    @property
    def is_open(self) -> bool:
        """Whether machines may run."""
        return self._open

    def check(self) -> None:
        """Raise MachineError if an isolation was named that does not work here."""
        if self._ssh not in {"auto", "off"}:
            _ = self.isolation

    def open(self) -> None:
        """Allow machines to run; those that ran when the sandbox was closed boot with empty files."""
        with self._lock:
            self._open = True
            self._threads = asyncio.Semaphore(_MOST_THREADS)  # the previous one belongs to the previous loop
            for node in self._nodes:
                node.resume()

    def close(self) -> None:
        """End all machines and the thread, and wait for that."""
        with self._lock:
            loop, self._loop, self._open = self._loop, None, False
        if loop:
            loop.stop([node.end for node in self._nodes])

    def clear(self) -> None:
        """Remove all machines, and wait for that."""
        with self._lock:
            nodes = list(self._nodes)
        concurrent.futures.wait([work for node in nodes if (work := node.remove())])

    def add(self, name: str, address: str, access: Access) -> Node | None:
        """Create a machine that does not run yet; return None if there are no machines."""
        if self.isolation.ssh_port is None:
            return None
        with self._lock:
            node = Node(self, host_name(name), address, access)
            node.await_address([other for other in self._nodes if other.address == address])
            self._nodes.append(node)
        return node

    def discard(self, node: Node) -> None:
        """Drop a machine that has been removed."""
        with self._lock, contextlib.suppress(ValueError):
            self._nodes.remove(node)

    def fault(self, fault: SSHFault | None, times: int | None) -> None:
        """See `Sandbox.ssh_fault`."""
        self.faults.set(fault, times)
        with self._lock:
            nodes = list(self._nodes)
        concurrent.futures.wait([work for node in nodes if (work := self.submit(node.update_listener))])

    def submit(self, work: _Work) -> concurrent.futures.Future[None] | None:
        """Start work on the loop; return None while the sandbox is closed."""
        with self._lock:
            if not self._open:
                return None
            if self._loop is None:
                self._loop = _Loop()
            return self._loop.submit(work)

    async def in_thread(self, work: Callable[[], None]) -> None:
        """Do work that blocks, in a thread that does not keep the program from ending."""
        done: concurrent.futures.Future[None] = concurrent.futures.Future()

        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - it is raised where this is awaited
                done.set_exception(error)
            else:
                done.set_result(None)

        async with self._threads:
            thread = threading.Thread(target=run, name="sandbox-machine", daemon=True)
            thread.start()
            try:
                await asyncio.wrap_future(done)
            finally:
                if done.done():
                    thread.join()  # it only has to return: a sandbox that was stopped has no threads


class Node:
    """One machine. Its methods return at once; their work is done in order, in the background."""

    def __init__(self, machines: Machines, name: str, address: str, access: Access) -> None:
        self._machines, self._name, self.address, self._access = machines, name, address, access
        self._leaving: list[Node] = []
        self._order = asyncio.Lock()
        self._work: concurrent.futures.Future[None] | None = None
        self._on = False
        self._machine: Machine | None = None
        self._host_key: asyncssh.SSHKey | None = None
        self._listener: Listener | None = None
        self._opening: asyncio.Task[None] | None = None
        self._may_open = False
        self.state = "off"

    @property
    def busy(self) -> bool:
        """Whether work that was submitted has not been done yet."""
        return self._work is not None and not self._work.done()

    def start(self, seconds: float = 0.0) -> None:
        """Boot, unless it runs; `seconds` is how long that takes according to the cloud."""
        delay = seconds + self._machines.delay if self._machines.delay else 0.0
        self._on = True
        self._submit(lambda: self._boot(delay))

    def stop(self) -> None:
        """End its processes and its SSH server, keep its files."""
        self._on = False
        self._submit(self._halt)

    def restart(self, seconds: float = 0.0) -> None:
        """Stop and start."""
        self.stop()
        self.start(seconds)

    def admit(self, access: Access) -> None:
        """Change who may log in, from the next boot on."""
        self._access = access

    def remove(self) -> concurrent.futures.Future[None] | None:
        """Stop, and delete its files; its address is free when this is done."""
        self._on = False
        work = self._submit(self._leave)
        if work is None:
            self._machines.discard(self)
        return work

    def await_address(self, leaving: list[Node]) -> None:
        """Wait before the boot for these machines, which have the same address and are being removed."""
        self._leaving = leaving

    def resume(self) -> None:
        """Boot if it ran when the sandbox was closed."""
        self._order = asyncio.Lock()  # the previous one belongs to the previous loop
        if self._on:
            self.start()

    def _submit(self, work: _Work) -> concurrent.futures.Future[None] | None:
        self._work = self._machines.submit(lambda: self._run_in_order(work))
        return self._work

    async def _run_in_order(self, work: _Work) -> None:
        async with self._order:
            try:
                await work()
            except Exception:  # noqa: BLE001 - nobody reads the future, and the next work must be done
                _log.exception("the machine %s at %s failed", self._name, self.address)

    # The following methods run on the loop.

    async def _boot(self, delay: float) -> None:
        if self.state == "on" or not self._machines.is_open:
            return
        opens = asyncio.get_running_loop().time() + delay
        self.state = "booting"
        while self._leaving:
            await self._leaving.pop().settle()
        try:
            await self._machines.in_thread(self._boot_machine)
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
        await self.update_listener()

    async def update_listener(self) -> None:
        """Open or close the SSH port, according to the machine's state and the current fault."""
        from polycloud.sandbox.machines import ssh

        if not self._may_open or self._machine is None:
            return
        if self._host_key is None:
            self._host_key = ssh.new_host_key()
        if self._listener is None:
            identity = ssh.Identity(self._machine, self._host_key, self._access)
            self._listener = ssh.Listener(identity, self._machines.faults)
        if self._machines.faults.refusing:
            self._listener.shut()
        else:
            self._listener.open()

    async def _halt(self) -> None:
        self._may_open = False
        if self._opening:
            self._opening.cancel()
            self._opening = None
        if self._listener:
            await self._listener.close()
            self._listener = None
        if self._machine:
            await self._machines.in_thread(self._machine.halt)
        self.state = "off"

    async def settle(self) -> None:
        """Wait until the work that was submitted before is done."""
        async with self._order:
            pass

    async def end(self) -> None:
        """Halt, and delete the machine's files, after the work that was submitted before."""
        await self._run_in_order(self._delete)

    async def _leave(self) -> None:
        await self._delete()
        self._machines.discard(self)

    async def _delete(self) -> None:
        await self._halt()
        if self._machine:
            machine, self._machine = self._machine, None
            await self._machines.in_thread(machine.remove)


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

    def submit(self, work: _Work) -> concurrent.futures.Future[None]:
        return asyncio.run_coroutine_threadsafe(work(), self._loop)

    def stop(self, last: list[_Work]) -> None:
        """Do the last work, concurrently, and end."""

        async def finish() -> None:
            await asyncio.gather(*(work() for work in last))

        self.submit(finish).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


def host_name(name: str) -> str:
    """Turn a server's name into a host name; "server" if no character of it is allowed."""
    kept = re.sub(r"[^a-z0-9.-]+", "-", name.lower())[:_MAX_NAME]
    return kept.strip("-.") or "server"
