"""Debian's OpenSSH server on loopback, with users of its own.

As root the server runs in a mount namespace, where /etc/passwd, /etc/shadow, /etc/sudoers and PAM's settings
are replaced: so there are users, expired passwords and a real sudo, root has an empty home, a wrong password
is refused without a pause of 2 s, and this machine does not change. Otherwise the only user is the one who
runs the tests.
"""

from __future__ import annotations

import os
import pwd
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

SSHD = "/usr/sbin/sshd"
PASSWORD = "correct horse"
SUDOERS = "Defaults use_pty\nubuntu ALL=(ALL) NOPASSWD: ALL\nadmin ALL=(ALL) ALL\n"
PAM = "pam.d/common-auth"
SHADOW = {"ubuntu": "", "admin": "", "expired": "0"}
"""Users besides root, with the day on which their password was changed; 0 if it must be changed."""


@dataclass
class OpenSSH:
    """A running server: `home` has its configuration."""

    port: int
    home: Path
    process: subprocess.Popen[bytes]
    host: str = "127.0.0.1"

    @property
    def username(self) -> str:
        """A user who may log in."""
        return "ubuntu" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name

    @property
    def files(self) -> Path:
        """A folder of that user."""
        return self.home / "ubuntu" if os.geteuid() == 0 else self.home

    def authorize(self, user: str, *lines: str) -> None:
        """Replace the authorized keys of a user."""
        (self.home / f"keys.{user}").write_text("".join(f"{line}\n" for line in lines))

    def drop_connections(self) -> None:
        """End every connection, as a machine that reboots does."""
        connections = children(self.process.pid)
        for pid in [child for one in connections for child in children(one)] + connections:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def children(pid: int) -> list[int]:
    """Return the pids of the children of a process."""
    text = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, check=False, text=True
    )
    return [int(word) for word in text.stdout.split()]


@contextmanager
def openssh(
    public_key: str, *config: str, host: str = "127.0.0.1", subsystem: bool = True
) -> Iterator[OpenSSH]:
    """Run a server whose users accept `public_key`; skip the test where there is no OpenSSH."""
    with TemporaryDirectory(prefix="polycloud-sshd-") as folder:  # pytest's are closed to other users
        yield from _openssh(Path(folder), public_key, config, host, subsystem=subsystem)


def _openssh(
    home: Path, public_key: str, config: Sequence[str], host: str, *, subsystem: bool
) -> Iterator[OpenSSH]:
    if not Path(SSHD).exists():
        pytest.skip("there is no OpenSSH server here: apt-get install openssh-server")
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as free:
        port = free.getsockname()[1]
    home.chmod(0o755)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / "host_key"], check=True)
    lines = [
        f"ListenAddress {host}",
        f"HostKey {home}/host_key",
        f"AuthorizedKeysFile {home}/keys.%u",
        f"PidFile {home}/sshd.pid",
        "StrictModes no",
        "LogLevel ERROR",
        "UsePAM yes" if os.geteuid() == 0 else "UsePAM no",
        *(["Subsystem sftp /usr/lib/openssh/sftp-server"] if subsystem else []),
        *config,
    ]
    (home / "sshd_config").write_text("\n".join(lines) + "\n")
    command = [SSHD, "-D", "-e", "-f", str(home / "sshd_config"), "-p", str(port)]
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
        command = _with_users(home, command)
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL)
    try:
        _wait_for(host, port, process)
        server = OpenSSH(port, home, process, host)
        for user in (server.username, *SHADOW, "root", "nobody"):
            server.authorize(user, public_key)
        yield server
        server.drop_connections()
    finally:
        process.terminate()
        process.wait(10)
        sys.stderr.write((home / "log").read_text(errors="replace"))


def _wait_for(host: str, port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        with suppress(OSError), socket.create_connection((host, port), 1):
            return
        assert process.poll() is None, "sshd has ended"
        time.sleep(0.05)  # noqa: TID251 - a test's own server
    raise AssertionError("sshd does not listen")


def need_users(server: OpenSSH) -> None:
    """Skip a test that needs users of its own, where the server could not be given any."""
    if os.geteuid() != 0 or not shutil.which("sudo"):
        pytest.skip("this test needs root and sudo")


def _with_users(home: Path, command: list[str]) -> list[str]:
    """Return a command that runs in a mount namespace with other users."""
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", PASSWORD], capture_output=True, check=True, text=True
    ).stdout.strip()
    passwd, shadow = Path("/etc/passwd").read_text(), Path("/etc/shadow").read_text()
    (home / "root").mkdir()
    passwd = re.sub("^(root:.*):[^:]*(:[^:]*)$", rf"\1:{home}/root\2", passwd, flags=re.MULTILINE)
    for number, (user, changed) in enumerate(SHADOW.items(), 4200):
        folder = home / user
        folder.mkdir()
        os.chown(folder, number, number)
        passwd += f"{user}:x:{number}:{number}::{folder}:/bin/bash\n"
        shadow += f"{user}:{hashed}:{changed or 20000}:0:99999:7:::\n"
    (home / "passwd").write_text(passwd)
    (home / "shadow").write_text(shadow)
    (home / "shadow").chmod(0o640)
    (home / "sudoers").write_text(SUDOERS)
    (home / "sudoers").chmod(0o440)
    (home / "pam.d").mkdir()
    if (pam := Path("/etc", PAM)).exists():
        (home / PAM).write_text(pam.read_text().replace("pam_unix.so", "pam_unix.so nodelay"))
    binds = [
        f"mount --bind {home}/{name} /etc/{name}"
        for name in ("passwd", "shadow", "sudoers", PAM)
        if Path("/etc", name).exists()
    ]
    return ["unshare", "-m", "sh", "-c", f"{' && '.join(binds)} && exec {shlex.join(command)}"]
