"""Logging in to a machine over SSH, directly or through jump hosts (bastions).

What a machine says while it refuses a login is collected, since it tells a person more than the refusal: its
banner ("System is booting up"), the questions of keyboard-interactive, a request for another password.

Host keys are trusted on first use (`HostKeys`), in two steps. While a connection is set up, its key is only
compared with the known ones. It is remembered after the login: a machine that is being set up may still
change its key, and before the login nothing shows that it is finished. A jump host has a key too, remembered
under its address.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from getpass import getuser
from typing import TYPE_CHECKING, Any

from polycloud.compute.hostkeys import HostKeys
from polycloud.compute.keys import import_asyncssh
from polycloud.compute.types import SSHAuthenticationError, SSHConnectError, SSHHostKeyError
from polycloud.errors import InvalidArgumentError, printable

if TYPE_CHECKING:
    import asyncssh

DEFAULT_PORT = 22
PORTS = range(1, 65536)
SHOWN_WORDS = 500
JUMP = re.compile(
    r"(?:(?P<user>[^@\s]+)@)?(?:\[(?P<ip6>[^\[\]\s]+)\]|(?P<host>[^:\[\]@\s]+))(?::(?P<port>\d{1,5}))?"
)
REFUSED = re.compile("authentication|too many", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """A machine to log in to, and how: `machine` is the name of its host key.

    Where neither keys nor a password are given, the agent and the keys in `~/.ssh` are tried.
    """

    host: str
    port: int
    username: str
    machine: str
    keys: Sequence[asyncssh.SSHKey] = field(default=(), repr=False)
    password: str | None = field(default=None, repr=False)
    is_jump: bool = False

    def __str__(self) -> str:
        return f"{'the jump host ' if self.is_jump else ''}{address(self.host, self.port)}"

    def credentials(self) -> dict[str, Any]:
        """Return the arguments of asyncssh for the login."""
        login: dict[str, Any] = {"username": self.username, "password": self.password}
        if self.keys or self.password:
            login |= {"client_keys": self.keys or None, "agent_path": None}
        return login

    def offered(self) -> str:
        """Describe what is offered."""
        offered = [f"{len(self.keys)} key(s)"] if self.keys else []
        offered += ["a password"] if self.password else []
        return " and ".join(offered) or "the agent's keys and those in ~/.ssh"


def address(host: str, port: int) -> str:
    """Return `host:port`, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def machine_name(host: str, port: int) -> str:
    """Return the name of a host in a known_hosts file."""
    return host if port == DEFAULT_PORT else f"[{host}]:{port}"


def parse_jumps(jumps: str | None) -> list[Target]:
    """Return the jump hosts of `ssh -J`: `[user@]host[:port]`, several with commas between.

    Raises `InvalidArgumentError` for anything else. Without a user name the local one is meant.
    """
    if jumps is None:
        return []
    if not isinstance(jumps, str) or not jumps:
        raise InvalidArgumentError(f"ssh_jump must be a str such as 'user@host:22', got {jumps!r}")
    return [_parse_jump(text.strip(" ")) for text in jumps.split(",")]


def _parse_jump(text: str) -> Target:
    found = JUMP.fullmatch(text)
    port = int(found["port"] or DEFAULT_PORT) if found else 0
    if found is None or port not in PORTS or not text.isprintable():
        raise InvalidArgumentError(f"a jump host must be [user@]host[:port], got {text!r}")
    host = found["ip6"] or found["host"]
    return Target(host, port, found["user"] or getuser(), machine_name(host, port), is_jump=True)


class Connecting:
    """Opens a connection: the logins to jump hosts, one through the other, and to the machine behind them."""

    def __init__(self, host_keys: HostKeys, options: dict[str, Any]) -> None:
        self.host_keys = host_keys
        self.options = options
        self.opened: list[asyncssh.SSHClientConnection] = []
        self.current: Target | None = None
        """The machine whose login is going on."""
        self._jumps: list[Owner] = []

    async def open(self, jumps: Sequence[Target], target: Target) -> Any:
        """Log in everywhere; return the connection's owner, which knows whether it is lost.

        The connections are in `opened`, the last one to `target`. If this fails, they are closed.
        """
        try:
            for jump in jumps:
                await self._jump(jump, target.keys)
            return await self._log_in(target)
        except BaseException:
            for connection in reversed(self.opened):
                connection.abort()
            raise

    async def _jump(self, jump: Target, keys: Sequence[asyncssh.SSHKey]) -> None:
        """Log in to a jump host: with the keys for the node, else as `ssh` would; never with its password."""
        try:
            if keys:
                await self._log_in(
                    Target(jump.host, jump.port, jump.username, jump.machine, keys, None, True)
                )
                return
        except SSHAuthenticationError:
            pass
        await self._log_in(jump)

    async def _log_in(self, target: Target) -> Any:
        lib = import_asyncssh()
        owner = _client_class(lib)(self.host_keys, target)
        changed = SSHHostKeyError(
            f"{target} has another host key than {target.machine} had before; if the machine was rebuilt, "
            "forget the old key"
        )
        self.current = target
        try:
            connection: asyncssh.SSHClientConnection = await lib.connect(
                target.host,
                target.port,
                client_factory=lambda: owner,
                tunnel=self.opened[-1] if self.opened else None,
                **target.credentials(),
                **self.options,
            )
        except lib.HostKeyNotVerifiable as error:
            raise changed from error
        except lib.PermissionDenied as error:
            raise _refusal(target, owner, error) from error
        except lib.ChannelOpenError as error:
            raise SSHConnectError(f"{self._jumps[-1].target} cannot connect to {target}: {error}") from error
        except lib.ConnectionLost as error:
            lost = next((jump for jump in self._jumps if jump.lost), owner)
            raise SSHConnectError(f"{lost.target} cannot be reached: {error}{lost.said()}") from error
        except lib.DisconnectError as error:
            if owner.verified and REFUSED.search(error.reason):
                raise _refusal(target, owner, error, is_definite=True) from error
            raise SSHConnectError(f"{target} cannot be reached: {error}{owner.said()}") from error
        except (OSError, UnicodeError, ValueError, lib.Error) as error:
            # Behind a jump host, the only socket is the one to that
            failed = self._jumps[0].target if self._jumps and isinstance(error, OSError) else target
            raise SSHConnectError(f"{failed} cannot be reached: {error}") from error
        self.opened.append(connection)
        # Remembered only now, after the login; see the module's docstring
        if not self.host_keys.accept(target.machine, _public_key(connection.get_server_host_key())):
            raise changed
        self._jumps.append(owner)
        return owner


def _refusal(
    target: Target, owner: Any, error: Exception, *, is_definite: bool = False
) -> SSHAuthenticationError:
    return SSHAuthenticationError(
        f"{target} refuses {target.username!r} with {target.offered()}: {error}{owner.said()}",
        is_definite=is_definite,
    )


def quoted(words: str) -> str:
    """Return the end of what a machine said, on one line and without control characters."""
    lines = (printable(line.strip()) for line in words[-SHOWN_WORDS * 4 :].splitlines())
    return " | ".join(line for line in lines if line)[-SHOWN_WORDS:]


class Owner:
    """The owner of a connection, which asyncssh asks and tells: it checks host keys and answers questions."""

    def __init__(self, host_keys: HostKeys, target: Target) -> None:
        self.host_keys = host_keys
        self.target = target
        self.words: list[str] = []
        self.verified = False
        self.lost = False
        self.asked = False
        self.answered = False

    def is_lost(self) -> bool:
        """Return whether the connection has ended."""
        return self.lost

    def said(self) -> str:
        """Return what the machine said, for the end of a message."""
        words = quoted("\n".join(self.words))
        if self.target.password:
            words = words.replace(self.target.password, "***")
        return f"; it says: {words}" if words else ""

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection has ended."""
        self.lost = True

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Return whether the machine may have this host key."""
        self.verified = self.host_keys.allows(self.target.machine, _public_key(key))
        return self.verified

    def auth_banner_received(self, msg: str, lang: str) -> None:
        """Keep a banner."""
        self.words.append(msg)

    def kbdint_auth_requested(self) -> str | None:
        """Offer keyboard-interactive once, if there is a password."""
        offered = self.target.password is not None and not self.asked
        self.asked = True
        return "" if offered else None

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        """Answer one hidden prompt with the password, once, in whatever language it asks."""
        self.words += [name, instructions]
        if not prompts:
            return []
        if len(prompts) == 1 and not prompts[0][1] and not self.answered:
            self.answered = True
            return [self.target.password or ""]
        self.words += [prompt for prompt, _ in prompts]
        return None

    def password_change_requested(self, prompt: str, lang: str) -> Any:
        """Keep the request; asyncssh declines it."""
        self.words.append(prompt)
        return NotImplemented


@cache
def _client_class(lib: Any) -> Any:
    return type("Client", (Owner, lib.SSHClient), {})


def _public_key(key: asyncssh.SSHKey | None) -> str:
    assert key is not None
    return " ".join(key.export_public_key("openssh").decode().split()[:2])
