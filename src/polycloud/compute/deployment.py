"""Deployment steps, which are run on a node over SSH, and the login to a new node.

A step is any object with `run(node, client)`, which returns the node. The steps here keep their results
(`exit_status`, `stdout`, `stderr`), so each deployment needs steps of its own.
"""

from __future__ import annotations

import secrets
import shlex
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar, cast

from polycloud.compute.keys import load_private_key, require_public_key
from polycloud.compute.objects import Node
from polycloud.compute.ssh import BaseSSHClient, HostKeys, OnOutput, SSHClient
from polycloud.compute.types import (
    DeploymentError,
    SSHAuthenticationError,
    SSHConnectError,
    SSHConnectionLostError,
    SSHError,
    SSHFileError,
    SSHTimeoutError,
)
from polycloud.concurrency import waiting
from polycloud.concurrency.calls import cleanup
from polycloud.errors import InvalidArgumentError, OperationTimeoutError

if TYPE_CHECKING:
    import asyncssh

__all__ = [
    "Deployment",
    "FileDeployment",
    "Login",
    "MultiStepDeployment",
    "SSHKeyDeployment",
    "ScriptDeployment",
    "ScriptFileDeployment",
    "run_step",
]

EXECUTABLE = 0o755
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
CLEANUP_TIMEOUT = 5.0
LAST_ATTEMPT = 0.1
REPEATS = 3
T = TypeVar("T")
KEYS_TIME = 30.0
"""Seconds after its first refused login in which a new machine may still get its keys."""


class Deployment:
    """A deployment step. Subclasses override `run`.

    A step that is `repeatable` may be run again from its beginning: if the connection is lost in it, because
    the node reboots or the network failed, it is repeated over a new connection.
    """

    repeatable = False

    def run(self, node: Node, client: BaseSSHClient) -> Node:
        """Run the step on `node`, over the connected `client`; return the node."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return type(self).__name__


class SSHKeyDeployment(Deployment):
    """Authorize another SSH key: `key` is a public key in OpenSSH's format, or an open file with one.

    Raises `InvalidArgumentError` unless it is one.
    """

    repeatable = True

    def __init__(self, key: str | IO[str]) -> None:
        text = key.read() if hasattr(key, "read") else key
        if not isinstance(text, str):
            raise InvalidArgumentError(f"key must be a str or an open text file, got {type(key).__name__}")
        self.key = require_public_key(text)

    def run(self, node: Node, client: BaseSSHClient) -> Node:
        """Add the key to the user's `authorized_keys`, on a line of its own, unless it is there."""
        made = client.run(
            f"umask 077; mkdir -p -m {PRIVATE_FOLDER:o} ~/.ssh || exit 1; "
            f"grep -qsxF -- {shlex.quote(self.key)} ~/.ssh/authorized_keys && echo present; exit 0"
        )
        if made.exit_status != 0:
            raise SSHFileError(f"~/.ssh cannot be created: {made.stderr.strip()}")
        if made.stdout.split()[-1:] != ["present"]:
            client.put(".ssh/authorized_keys", f"\n{self.key}\n", PRIVATE_FILE, "a")
        return node


class FileDeployment(Deployment):
    """Copy the file `source` to `target` on the node, with its permissions; with `sudo` as root.

    Raises `InvalidArgumentError` if `source` cannot be read.
    """

    repeatable = True

    def __init__(self, source: str, target: str, *, sudo: bool = False) -> None:
        _require_file(source)
        self.source = source
        self.target = target
        self.sudo = sudo

    def run(self, node: Node, client: BaseSSHClient) -> Node:
        """Copy the file."""
        path = Path(self.source).expanduser()
        with path.open("rb") as file:
            client.putfo(self.target, file, stat.S_IMODE(path.stat().st_mode), **_as_root(self.sudo))
        return node

    def __repr__(self) -> str:
        return f"FileDeployment({self.source!r} to {self.target!r})"


class ScriptDeployment(Deployment):
    """Run a script, and keep its `exit_status` (int), `stdout` and `stderr` (str).

    Args:
        script: The script's text; its first line may name its interpreter.
        args: Arguments, which are quoted for the shell.
        name: Its path on the node, absolute or below the user's home; default a unique one.
        delete: Delete it afterwards, even if it fails.
        timeout: Seconds after which it is killed; default never.
        sudo: Run it as root, by sudo if the user is another one. The file stays the user's.
        repeatable: Run it again, over a new connection, if the connection is lost in it. It may have done a
            part of its work then, or all of it. Without this, a lost connection ends the deployment.

    Raises:
        InvalidArgumentError: The script has Windows line endings, `args` is a str instead of a list, or
            `timeout` is not a valid number of seconds.
        DeploymentError: From `run`, if its exit status is not 0.
    """

    def __init__(
        self,
        script: str | bytes,
        args: Iterable[str] | None = None,
        name: str | None = None,
        delete: bool = False,
        timeout: float | None = None,
        *,
        sudo: bool = False,
        repeatable: bool = False,
    ) -> None:
        text = _text(script)
        if "\r\n" in text:
            raise InvalidArgumentError(
                f"the script {name or ''} must have Unix line endings; with Windows line endings its "
                "interpreter is not found"
            )
        self.script = text
        if isinstance(args, str | bytes):
            raise InvalidArgumentError("args must be a list of arguments, not one str")
        if timeout is not None:
            waiting.require_times(timeout)
        self.args: Sequence[str] = [str(argument) for argument in args or ()]
        self.name = name or f"polycloud_deployment_{secrets.token_hex(4)}.sh"
        self.delete = delete
        self.timeout = timeout
        self.sudo = sudo
        self.repeatable = repeatable
        self.exit_status: int | None = None
        self.stdout: str | None = None
        self.stderr: str | None = None

    def run(self, node: Node, client: BaseSSHClient) -> Node:
        """Copy the script to the node, run it, and delete it if `delete`."""
        # By a relative path: if SFTP serves a directory, absolute paths there differ from a command's
        path = self.name if self.name.startswith("/") else f"./{self.name}"
        command = shlex.join([path, *self.args])
        with self._cleanup(client, path):
            _repeated(client, lambda: client.put(self.name, self.script, EXECUTABLE))
            self.stdout, self.stderr, self.exit_status = client.run(
                command, timeout=self.timeout, **_as_root(self.sudo)
            )
            if self.exit_status != 0:
                raise DeploymentError(node, f"exit status {self.exit_status}", node.driver, step=self)
        return node

    @contextmanager
    def _cleanup(self, client: BaseSSHClient, path: str) -> Iterator[None]:
        """Delete the script at the end if `delete`. If this fails after an error, add a note to that."""
        try:
            yield
        except BaseException as error:
            try:
                self._delete(client, path)
            except SSHError as second:
                error.add_note(f"{path} may still be on the node: {second}")
            raise
        _repeated(client, lambda: self._delete(client, path))

    def _delete(self, client: BaseSSHClient, path: str) -> None:
        if self.delete:
            # client.delete() would fail if the script has deleted itself
            done = client.run(shlex.join(["rm", "-f", "--", path]), timeout=CLEANUP_TIMEOUT)
            if done.exit_status != 0:
                raise SSHFileError(f"{path} cannot be deleted: {done.stderr.strip()}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class ScriptFileDeployment(ScriptDeployment):
    """Run the script in the file `script_file`; see `ScriptDeployment`.

    Raises `InvalidArgumentError` if it cannot be read.
    """

    def __init__(
        self,
        script_file: str,
        args: Iterable[str] | None = None,
        name: str | None = None,
        delete: bool = False,
        timeout: float | None = None,
        *,
        sudo: bool = False,
        repeatable: bool = False,
    ) -> None:
        _require_file(script_file)
        path = Path(script_file).expanduser()
        script = path.read_bytes()
        unique_name = f"{path.stem}_{secrets.token_hex(4)}{path.suffix}"
        super().__init__(script, args, name or unique_name, delete, timeout, sudo=sudo, repeatable=repeatable)


class MultiStepDeployment(Deployment):
    """Steps that are run one after another; the first that fails ends them."""

    def __init__(self, add: Deployment | Iterable[Deployment] | None = None) -> None:
        self.steps: list[Deployment] = []
        if add is not None:
            self.add(add)

    def add(self, add: Deployment | Iterable[Deployment]) -> None:
        """Add one or more steps."""
        steps = list(add) if isinstance(add, Iterable) else [add]
        for step in steps:
            if not callable(getattr(step, "run", None)):
                raise InvalidArgumentError(f"a step must have run(node, client), got {step!r}")
        self.steps.extend(steps)

    def run(self, node: Node, client: BaseSSHClient) -> Node:
        """Run all steps."""
        for step in self.steps:
            node = run_step(step, node, client)
        return node


@dataclass(frozen=True)
class Login:
    """How to log in to a new node, and for how long to try.

    Each attempt tries all `usernames` at all addresses, with `ssh_timeout` seconds for each connection. Two
    failures are expected while a machine boots. If nothing listens yet, attempts go on for `timeout` seconds.
    If its SSH server does not have the keys yet and refuses the login, they go on for `KEYS_TIME` seconds,
    and for `max_tries` refusals at least. `max_tries` refusals are final where the server took the login and
    then refused to do anything, as images refuse users, or got too many keys. Pauses between attempts grow to
    `wait_period` seconds. Raises `InvalidArgumentError` for invalid values.
    """

    usernames: Sequence[str]
    port: int
    password: str | None = field(repr=False)
    keys: Sequence[str] = field(repr=False)
    key_password: str | None = field(repr=False)
    ssh_timeout: float
    timeout: float
    max_tries: int
    wait_period: float
    host_keys: HostKeys
    on_output: OnOutput | None
    jump: str | None = None

    def __post_init__(self) -> None:
        for username in self.usernames:
            SSHClient("127.0.0.1", self.port, username, jump=self.jump)
        if not isinstance(self.max_tries, int) or self.max_tries < 1:
            raise InvalidArgumentError(f"max_tries must be an int of 1 or more, got {self.max_tries!r}")

    def client(self, address: str, username: str, machine: str) -> SSHClient:
        """Return a client that is not connected yet. Raises `SSHKeyError` if a key cannot be loaded."""
        return SSHClient(
            address,
            self.port,
            username,
            self.password,
            key_files=self._loaded_keys,
            timeout=self.ssh_timeout,
            machine=machine,
            host_keys=self.host_keys,
            on_output=self.on_output,
            jump=self.jump,
            reboot_timeout=self.timeout,
        )

    @cached_property
    def _loaded_keys(self) -> list[asyncssh.SSHKey]:
        return [load_private_key(key, self.key_password) for key in self.keys]

    def connect(self, node: Node, addresses: Callable[[], Sequence[str]]) -> SSHClient:
        """Return a client that is logged in to `node`, at the first of `addresses` that accepts the login.

        The addresses are asked for before each attempt, since nodes get further ones while they boot. Raises
        the last `SSHError` after `timeout` seconds, or once refused logins are final.
        """
        deadline = time.monotonic() + self.timeout
        refused_at: list[float] = []
        last: list[SSHError] = []

        made = cache(lambda place, user: self.client(place, user, node.uuid))

        def attempt() -> SSHClient | None:
            clients = [made(place, user) for place in addresses() for user in self.usernames]
            connected, errors = _first_connected(clients, self.ssh_timeout, deadline)
            last[:] = errors or last
            refused = [error for error in errors if isinstance(error, SSHAuthenticationError)]
            if connected is None and refused:
                refused_at.append(time.monotonic())
                patience = 0.0 if all(_is_definite(error) for error in errors) else KEYS_TIME
                if len(refused_at) >= self.max_tries and refused_at[-1] - refused_at[0] >= patience:
                    raise refused[-1]
            return connected

        login = f"an SSH login of {' or '.join(self.usernames)}"
        try:
            return waiting.poll(
                attempt,
                waiting_for=f"{node.name} (id {node.id}) to accept {login}",
                timeout=self.timeout,
                longest_pause=self.wait_period,
            )
        except OperationTimeoutError as error:
            late = SSHTimeoutError(f"{node.name} did not complete {login} within {self.timeout:g} s")
            raise (last[-1] if last else late) from error


def _close(client: SSHClient) -> None:
    with cleanup():
        client.close()


def _is_definite(error: SSHError) -> bool:
    return isinstance(error, SSHAuthenticationError) and error.is_definite


def _first_connected(
    clients: Iterable[SSHClient], ssh_timeout: float, deadline: float
) -> tuple[SSHClient | None, list[SSHError]]:
    errors: list[SSHError] = []
    for client in clients:
        remaining = deadline - time.monotonic()
        if errors and remaining <= 0:
            break
        client.timeout = min(ssh_timeout, max(remaining, LAST_ATTEMPT))
        try:
            client.connect()
            client.require_session()
        except (SSHConnectError, SSHConnectionLostError, SSHTimeoutError, SSHAuthenticationError) as error:
            _close(client)
            errors.append(error)
        except OperationTimeoutError:  # the time for all attempts is over
            _close(client)
        except BaseException:
            _close(client)
            raise
        else:
            client.timeout = ssh_timeout
            return client, errors
    return None, errors


def run_step(step: Deployment, node: Node, client: BaseSSHClient) -> Node:
    """Run one step and return its node, or `node` if it returns None.

    A step that is `repeatable` is repeated if the connection is lost in it. Any `Exception` is raised as a
    `DeploymentError` that names the step.
    """

    def run() -> Node:
        return cast("Node | None", step.run(node, client)) or node

    try:
        return _repeated(client, run) if getattr(step, "repeatable", False) else run()
    except DeploymentError:
        raise
    except Exception as error:
        raise DeploymentError(node, error, node.driver, step=step) from error


def _repeated(client: BaseSSHClient, run: Callable[[], T]) -> T:
    """Return what `run` returns; if the connection is lost in it, connect again and repeat it."""
    for _ in range(REPEATS):
        try:
            return run()
        except SSHConnectionLostError:
            client.reconnect()
    return run()


def _as_root(sudo: bool) -> dict[str, bool]:
    """Return the argument for `sudo`, which clients of other authors need not have."""
    return {"sudo": True} if sudo else {}


def _text(script: str | bytes) -> str:
    try:
        text = script.decode() if isinstance(script, bytes) else script
    except UnicodeDecodeError as error:
        raise InvalidArgumentError(f"the script must be UTF-8: {error}") from error
    if not isinstance(text, str) or "\0" in text:
        raise InvalidArgumentError("the script must be a str or bytes without NUL characters")
    return text


def _require_file(path: str) -> None:
    try:
        with Path(path).expanduser().open("rb"):
            pass
    except (OSError, TypeError, ValueError, RuntimeError) as error:
        raise InvalidArgumentError(f"the file {path} cannot be read: {error}") from error
