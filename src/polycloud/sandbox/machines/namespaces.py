"""Machines that are namespaces of the Linux kernel, created by util-linux and iproute2.

A machine's files and its network, which outlive a reboot, are a set of namespaces that only open file
descriptors of this process keep alive (`setup.sh`). While the machine runs it also has a first process, in
process and mount namespaces of its own (`boot.sh`), which ends when a pipe from this process closes. So
everything disappears when this process ends, however it ends. The only part of a machine with a name on this
computer is one end of its network cable (a veth device), and the kernel removes that with the other end.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import weakref
from collections.abc import Collection, Sequence
from functools import cache
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import ClassVar

from polycloud.sandbox.machines import addresses
from polycloud.sandbox.machines.inside import find
from polycloud.sandbox.machines.isolation import Isolation, Machine, MachineError, loopback_problem

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TOOLS = ("unshare", "nsenter", "setpriv", "setsid", "mount", "umount", "pivot_root", "ip", "sh")
_SETUP, _BOOT = (
    Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("setup.sh", "boot.sh")
)
_SSH_PORT = 22
_UNLOCK, _OPEN_PEER = 0x40045431, 0x5441
"""TIOCSPTLCK and TIOCGPTPEER of ioctl_tty(2)."""
_KEPT = ("net", "uts", "ipc", "mnt")
_OPTIONS = {"user": "--user", "net": "--net", "uts": "--uts", "ipc": "--ipc", "mnt": "--mount"}
# Capabilities with which the root of a machine could harm this computer by accident.
_DROPPED = "--bounding-set=-sys_module,-sys_rawio,-sys_time,-mknod"
_GUARD = """set -e
ip link add eth0 type veth peer name "$1" netns "$4"
ip link set eth0 up
nsenter --target "$4" --net ip -batch - <<END
address add $2/32 dev $1
link set $1 up
route add $3 dev $1
END
echo ready
read -r _ || true
"""
_TRY = """set -e
mount -t tmpfs tmpfs /tmp && mkdir /tmp/upper /tmp/work /tmp/root
mount -t overlay -o "lowerdir=/etc,upperdir=/tmp/upper,workdir=/tmp/work$1" overlay /tmp/root
mount -t proc proc /proc
ip link add type veth
"""


def problem_of_root() -> str | None:
    """Return why machines in namespaces do not work here; None if they do."""
    if sys.platform != "linux":
        return "needs Linux"
    if os.geteuid() != 0:
        return "needs root"
    return _problem(user=False)


def problem_of_users() -> str | None:
    """Return why machines in user namespaces do not work here; None if they do."""
    return loopback_problem() or _problem(user=True)


@cache
def _problem(*, user: bool) -> str | None:
    """Try once what the kernel does for a machine; return why it fails, or None."""
    missing = [name for name in _TOOLS if not shutil.which(name, path=_PATH)]
    if missing:
        return f"needs {', '.join(missing)} (util-linux, iproute2)"
    arguments = [*_unshare(user=user), "--pid", "--fork", "sh", "-c", _TRY, "sh", _overlay_options(user=user)]
    done = subprocess.run(  # noqa: S603 - programs of the system
        arguments, env={"PATH": _PATH}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        return next(iter(done.stderr.splitlines()), f"unshare ended with {done.returncode}")
    return None


def _unshare(*, user: bool) -> list[str]:
    mapping = ["--user", "--map-root-user"] if user else []
    return [_tool("unshare"), *mapping, "--net", "--uts", "--ipc", "--mount"]


def _overlay_options(*, user: bool) -> str:
    return ",userxattr" if user else ""


def _tool(name: str) -> str:
    return shutil.which(name, path=_PATH) or name


class RootNamespaces(Isolation):
    """The isolation `namespaces`: each machine has an address of its own and a cable to this computer."""

    def __init__(self) -> None:
        networks = addresses.Networks(addresses.public(), on_this_host=False)
        super().__init__("namespaces (root)", _SSH_PORT, networks)
        self._guards: dict[IPv4Network, _Guard] = {}
        self._lock = threading.Lock()

    def machine(self, name: str, address: str) -> Machine:
        """Create the files and the network of a machine; MachineError if the kernel does not allow it."""
        gateway, network = addresses.gateway(address)
        with self._lock:
            if network not in self._guards:
                self._guards[network] = _Guard(gateway, network)
        return _RootMachine(name, address)


class _Guard:
    """A cable without a machine, for the addresses of a network that no machine has.

    Without it, packets to a machine that is gone would leave this computer by its default route. Like a
    machine's own, the cable disappears when this process ends.
    """

    def __init__(self, gateway: IPv4Address, network: IPv4Network) -> None:
        link = f"pn{int(network.network_address):08x}"
        arguments = ["sh", "-c", _GUARD, "guard", link, str(gateway), str(network), str(os.getpid())]
        with _start([_tool("unshare"), "--net", *arguments]) as setup:
            _read_line(setup)
            kept = os.open(f"/proc/{setup.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, kept)


class UserNamespaces(Isolation):
    """The isolation `user-namespaces`: a machine's network has no cable; its SSH is at a loopback address."""

    def __init__(self, why: str) -> None:
        self._port = addresses.free_port()
        networks = addresses.Networks(addresses.loopback(), on_this_host=True)
        super().__init__(f"user namespaces ({why})" if why else "user namespaces", self._port, networks)

    def machine(self, name: str, address: str) -> Machine:
        """Create the files of a machine; MachineError if the kernel does not allow it."""
        return _UserMachine(name, address, self._port)


class _Namespaces(Machine):
    """What both kinds of machines have in common."""

    user: ClassVar[bool]

    def __init__(self, name: str, address: str, port: int, *network: str) -> None:
        super().__init__(address, port)
        self.environment = {"HOME": self.home, "PATH": _PATH}
        self._kept: dict[str, int] = {}
        self._first: subprocess.Popen[str] | None = None
        self._process = 0
        script = ["sh", "-c", _SETUP, "setup.sh", name, _overlay_options(user=self.user), *network]
        with _start([*_unshare(user=self.user), *script]) as setup:
            _read_line(setup)
            for kind in ("user", *_KEPT) if self.user else _KEPT:
                self._kept[kind] = os.open(f"/proc/{setup.pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)

    def boot(self) -> None:
        """Start the first process."""
        enter = [f"{_OPTIONS[kind]}=/proc/self/fd/{number}" for kind, number in self._kept.items()]
        unshare = [_tool("unshare"), "--pid", "--mount", "--fork", "--kill-child=SIGKILL"]
        script = ["sh", "-c", _BOOT, "boot.sh", "no" if self.user else "yes"]
        first = _start([_tool("nsenter"), *enter, *self._as_root(), *unshare, *script], self._kept.values())
        self._process = int(_read_line(first))
        self.root = f"/proc/{self._process}/root"
        self._first = first

    def halt(self) -> None:
        """End all processes."""
        first, self._first = self._first, None
        if first:
            # The end of its input ends it, which ends the others; it is reaped when all have ended.
            with first:
                pass

    def remove(self) -> None:
        """Delete the files."""
        while self._kept:
            os.close(self._kept.popitem()[1])

    def command(self, arguments: Sequence[str], *, terminal: bool) -> list[str]:
        """Return what to start for a command."""
        spaces = [_OPTIONS[kind] for kind in self._kept]
        enter = [_tool("nsenter"), "--target", str(self._process), *spaces, "--pid", *self._as_root()]
        drop = [] if self.user else [_tool("setpriv"), _DROPPED]
        session = [_tool("setsid"), "--ctty"] if terminal else [_tool("setsid")]
        return [*enter, "--", *drop, *session, *arguments]

    def leader(self, process: int) -> int:
        """Return the child of nsenter, which stays outside the machine and waits for it."""
        children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
        return int(children[0]) if children else process

    def _as_root(self) -> list[str]:
        # nsenter drops groups when it enters a user namespace, for which users have no permission.
        return ["--preserve-credentials"] if self.user else []

    def terminal(self) -> tuple[int, int]:
        """Return both ends of a new terminal."""
        flags = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
        with find(os.fsencode(self.root), b"/dev/pts/ptmx") as found:
            ours = os.open(found.named(), flags)
        try:
            fcntl.ioctl(ours, _UNLOCK, struct.pack("i", 0))
            # Asked of the terminal itself: its path could lead to another, such as this process's own
            return ours, fcntl.ioctl(ours, _OPEN_PEER, flags)
        except OSError as error:
            os.close(ours)
            raise OSError(f"the machine cannot create a terminal: {error}") from error


class _RootMachine(_Namespaces):
    user = False

    def __init__(self, name: str, address: str) -> None:
        gateway, network = addresses.gateway(address)
        self._link = f"pc{int(IPv4Address(address)):08x}"
        arguments = (address, str(gateway), str(network), self._link, str(os.getpid()))
        super().__init__(name, address, _SSH_PORT, *arguments)

    def remove(self) -> None:
        """Delete the files and the cable."""
        super().remove()
        # The kernel would remove the cable too, but at some later time.
        subprocess.run(  # noqa: S603 - a program of the system
            [_tool("ip"), "link", "delete", self._link], stderr=subprocess.DEVNULL, check=False
        )

    def listen(self) -> socket.socket:
        """Listen in the machine: a socket belongs to the network namespace of the thread that creates it."""
        listeners: list[socket.socket] = []

        def inside() -> None:
            if ctypes.CDLL(None).setns(self._kept["net"], 0) == 0:
                with contextlib.suppress(OSError):
                    listeners.append(super(_RootMachine, self).listen())

        thread = threading.Thread(target=inside, name="sandbox-listen")
        thread.start()
        thread.join()
        if not listeners:
            raise OSError(f"cannot listen at {self._address}")
        return listeners[0]


class _UserMachine(_Namespaces):
    user = True


def _start(arguments: list[str], descriptors: Collection[int] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - programs of the system
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": _PATH, "HOME": str(Path.home())},
        pass_fds=descriptors,
        cwd="/",
        # Ctrl-C at this process's terminal must not reach machines.
        start_new_session=True,
    )


def _read_line(process: subprocess.Popen[str]) -> str:
    """Return the line that a script prints when it is ready; MachineError with its errors if it fails."""
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        errors = process.communicate()[1].strip()
        raise MachineError(re.sub(r"\s+", " ", errors) or f"{process.args!r} ended")
    return line
