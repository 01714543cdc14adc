"""Machines that are namespaces of the Linux kernel, made by util-linux and iproute2.

What a machine keeps over a reboot, its files and its network, is a set of namespaces that nothing but open
file descriptors of this process holds (`setup.sh`). While it runs there is a first process besides, in
process and mount namespaces of its own (`boot.sh`), which ends when a pipe from this process closes. So
everything goes when this process goes, however that happens: nothing of a machine has a name on this
computer but one end of its network cable, and that goes with the other end.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import ClassVar

from polycloud.sandbox.machines import addresses, kinds
from polycloud.sandbox.machines.kinds import Isolation, Machine, MachineError

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TOOLS = ("unshare", "nsenter", "setpriv", "setsid", "mount", "umount", "pivot_root", "ip", "sh")
_SETUP, _BOOT = (
    Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("setup.sh", "boot.sh")
)
_SSH_PORT = 22
_KEPT = ("net", "uts", "ipc", "mnt")
_OPTIONS = {"user": "--user", "net": "--net", "uts": "--uts", "ipc": "--ipc", "mnt": "--mount"}
# What the root of a machine cannot do to this computer by accident.
_NEVER = "--bounding-set=-sys_module,-sys_rawio,-sys_time,-mknod"
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
    """Why machines in namespaces do not work here; None if they do."""
    if sys.platform != "linux":
        return "needs Linux"
    if os.geteuid() != 0:
        return "needs root"
    return _problem(user=False)


def problem_of_users() -> str | None:
    """Why machines in user namespaces do not work here; None if they do."""
    return kinds.loopback_problem() or _problem(user=True)


@cache
def _problem(*, user: bool) -> str | None:
    """Try the kernel's part of a machine for a moment."""
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
    who = ["--user", "--map-root-user"] if user else []
    return [_tool("unshare"), *who, "--net", "--uts", "--ipc", "--mount"]


def _overlay_options(*, user: bool) -> str:
    return ",userxattr" if user else ""


def _tool(name: str) -> str:
    return shutil.which(name, path=_PATH) or name


class RootNamespaces(Isolation):
    """The kind `namespaces`: each machine has its own address, at the end of a cable to this computer."""

    def __init__(self) -> None:
        self.title = "namespaces (root)"
        self.ssh_port = _SSH_PORT
        self._networks = addresses.Networks(addresses.public(), on_this_host=False)
        self._guards: dict[IPv4Network, _Guard] = {}
        self._lock = threading.Lock()

    def networks(self) -> Iterator[IPv4Network]:
        """The networks to choose addresses from."""
        return iter(self._networks)

    def machine(self, name: str, address: str) -> Machine:
        """Make the files and the network of a machine; MachineError if the kernel does not let us."""
        gateway, network = addresses.gateway(address)
        with self._lock:
            if network not in self._guards:
                self._guards[network] = _Guard(gateway, network)
        return _RootMachine(name, address)


class _Guard:
    """A cable to nowhere for the addresses of a network that no machine has.

    Without it, what is sent to a machine that is gone would leave this computer by its default route. Like
    a machine's own, the cable goes when this process goes.
    """

    def __init__(self, gateway: IPv4Address, network: IPv4Network) -> None:
        link = f"pn{int(network.network_address):08x}"
        arguments = ["sh", "-c", _GUARD, "guard", link, str(gateway), str(network), str(os.getpid())]
        with _started([_tool("unshare"), "--net", *arguments]) as setup:
            _first_line(setup)
            kept = os.open(f"/proc/{setup.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, kept)


class UserNamespaces(Isolation):
    """The kind `user-namespaces`: a machine's own network is not connected; SSH is at a loopback address."""

    def __init__(self, why: str) -> None:
        self.title = f"user namespaces ({why})" if why else "user namespaces"
        self.ssh_port = self._port = addresses.free_port()
        self._networks = addresses.Networks(addresses.loopback(), on_this_host=True)

    def networks(self) -> Iterator[IPv4Network]:
        """The networks to choose addresses from."""
        return iter(self._networks)

    def machine(self, name: str, address: str) -> Machine:
        """Make the files of a machine; MachineError if the kernel does not let us."""
        return _UserMachine(name, address, self._port)


class _Namespaces(Machine):
    """The part of a machine that both kinds share."""

    user: ClassVar[bool]

    def __init__(self, name: str, *network: str) -> None:
        self.environment = {"HOME": self.home, "PATH": _PATH}
        self._kept: dict[str, int] = {}
        self._first: subprocess.Popen[str] | None = None
        self._process = 0
        script = ["sh", "-c", _SETUP, "setup.sh", name, _overlay_options(user=self.user), *network]
        with _started([*_unshare(user=self.user), *script]) as setup:
            _first_line(setup)
            for kind in ("user", *_KEPT) if self.user else _KEPT:
                self._kept[kind] = os.open(f"/proc/{setup.pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)

    def boot(self) -> None:
        """Begin to run."""
        enter = [f"{_OPTIONS[kind]}=/proc/self/fd/{number}" for kind, number in self._kept.items()]
        begin = [_tool("unshare"), "--pid", "--mount", "--fork", "--kill-child=SIGKILL"]
        script = ["sh", "-c", _BOOT, "boot.sh", "no" if self.user else "yes"]
        arguments = [_tool("nsenter"), *enter, *self._as_root(), *begin, *script]
        first = _started(arguments, self._kept.values())
        self._process = int(_first_line(first))
        self.root = f"/proc/{self._process}/root"
        self._first = first

    def halt(self) -> None:
        """End all processes."""
        first, self._first = self._first, None
        if first:
            # The end of its input ends it, its end ends the others, and only then is it gone.
            with first:
                pass

    def remove(self) -> None:
        """Forget the files."""
        while self._kept:
            os.close(self._kept.popitem()[1])

    def command(self, arguments: Sequence[str], *, terminal: bool) -> list[str]:
        """What to start for a command."""
        spaces = [_OPTIONS[kind] for kind in self._kept]
        enter = [_tool("nsenter"), "--target", str(self._process), *spaces, "--pid", *self._as_root()]
        never = [] if self.user else [_tool("setpriv"), _NEVER]
        session = [_tool("setsid"), "--ctty"] if terminal else [_tool("setsid")]
        return [*enter, "--", *never, *session, *arguments]

    def leader(self, process: int) -> int:
        """The child of nsenter, which waits for it outside."""
        children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
        return int(children[0]) if children else process

    def _as_root(self) -> list[str]:
        # Entering a user namespace, nsenter would drop groups, which takes a right that users do not have.
        return ["--preserve-credentials"] if self.user else []

    def terminal(self) -> tuple[int, int]:
        """A new terminal."""
        ours = os.open(f"{self.root}/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        name = ctypes.create_string_buffer(64)
        libc = ctypes.CDLL(None)
        if libc.unlockpt(ours) or libc.ptsname_r(ours, name, len(name)):
            os.close(ours)
            raise OSError("the machine has no terminals")
        return ours, os.open(self.root + name.value.decode(), os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)


class _RootMachine(_Namespaces):
    user = False

    def __init__(self, name: str, address: str) -> None:
        gateway, network = addresses.gateway(address)
        self._address = address
        self._link = f"pc{int(IPv4Address(address)):08x}"
        super().__init__(name, address, str(gateway), str(network), self._link, str(os.getpid()))

    def remove(self) -> None:
        """Forget the files."""
        super().remove()
        # The kernel would remove the cable too, but when it likes.
        subprocess.run(  # noqa: S603 - a program of the system
            [_tool("ip"), "link", "delete", self._link], stderr=subprocess.DEVNULL, check=False
        )

    def listen(self) -> socket.socket:
        """Listen inside: a socket belongs to the network in which its thread was when it was made."""
        found: list[socket.socket] = []

        def inside() -> None:
            if ctypes.CDLL(None).setns(self._kept["net"], 0) == 0:
                with contextlib.suppress(OSError):
                    found.append(kinds.listen(self._address, _SSH_PORT))

        thread = threading.Thread(target=inside, name="sandbox-listen")
        thread.start()
        thread.join()
        if not found:
            raise OSError(f"cannot listen at {self._address}")
        return found[0]


class _UserMachine(_Namespaces):
    user = True

    def __init__(self, name: str, address: str, port: int) -> None:
        self._address, self._port = address, port
        super().__init__(name)

    def listen(self) -> socket.socket:
        """Listen for SSH."""
        return kinds.listen(self._address, self._port)


def _started(arguments: list[str], descriptors: Collection[int] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - programs of the system
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": _PATH, "HOME": str(Path.home())},
        pass_fds=descriptors,
        cwd="/",
        # A Ctrl-C at this process's terminal is not for machines.
        start_new_session=True,
    )


def _first_line(process: subprocess.Popen[str]) -> str:
    """What a script says when it is ready; MachineError with its complaint if it never is."""
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        complaint = process.communicate()[1].strip()
        raise MachineError(re.sub(r"\s+", " ", complaint) or f"{process.args!r} ended")
    return line
