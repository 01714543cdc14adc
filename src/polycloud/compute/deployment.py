"""Deployment steps: what is done on a node once it answers SSH.

A step has `run(node, client)`, which gives back the node. Any object with such a method is one; those here
keep what happened (`exit_status`, `stdout`, `stderr`), so each deployment wants steps of its own.
"""

from __future__ import annotations

import secrets
import shlex
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from polycloud.compute.keys import require_public_key
from polycloud.compute.objects import Node
from polycloud.compute.ssh import BaseSSHClient, HostKeys, OnOutput, SSHClient
from polycloud.compute.types import (
    DeploymentError,
    SSHAuthenticationError,
    SSHConnectError,
    SSHError,
    SSHFileError,
    SSHTimeoutError,
)
from polycloud.concurrency import waiting
from polycloud.errors import InvalidArgumentError, OperationTimeoutError

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
TIDY_TIMEOUT = 5.0
LAST_TRY = 0.1


class Deployment:
    """A step. Subclasses do their work in `run`."""

    def run(self, node: Node, client: BaseSSHClient) -> Node:
        """Do it on `node`, over the connected `client`; the node."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return type(self).__name__


class SSHKeyDeployment(Deployment):
    """Let another SSH key in: `key` is a public key (OpenSSH's format) or an open file with one.

    Raises `InvalidArgumentError` for what is no public key.
    """

    def __init__(self, key: str | IO[str]) -> None:
        text = key.read() if hasattr(key, "read") else key
        if not isinstance(text, str):
            raise InvalidArgumentError(f"a key is text or an open text file, not {type(key).__name__}")
        self.key = require_public_key(text)

    def run(self, node: Node, client: BaseSSHClient) -> Node:
        """Add the key to the user's `authorized_keys`, on a line of its own."""
        made = client.run(f"umask 077; mkdir -p -m {PRIVATE_FOLDER:o} ~/.ssh")
        if made.exit_status != 0:
            raise SSHFileError(f"~/.ssh cannot be made: {made.stderr.strip()}")
        client.put(".ssh/authorized_keys", f"\n{self.key}\n", PRIVATE_FILE, "a")
        return node


class FileDeployment(Deployment):
    """Copy the file `source` to `target` on the node, with its permissions.

    Raises `InvalidArgumentError` where `source` is no file that can be read.
    """

    def __init__(self, source: str, target: str) -> None:
        _require_file(source)
        self.source = source
        self.target = target

    def run(self, node: Node, client: BaseSSHClient) -> Node:
        """Copy the file."""
        path = Path(self.source).expanduser()
        with path.open("rb") as file:
            client.putfo(self.target, file, stat.S_IMODE(path.stat().st_mode))
        return node

    def __repr__(self) -> str:
        return f"FileDeployment({self.source!r} to {self.target!r})"


class ScriptDeployment(Deployment):
    """Run a script, and keep its `exit_status` (int), `stdout` and `stderr` (str).

    Args:
        script: The script's text; its first line may name its interpreter.
        args: Arguments, passed on as they are.
        name: Its path on the node, below the user's home unless absolute; one of its own unless given.
        delete: Delete it afterwards, however it ends.
        timeout: Seconds after which it is ended; none without.

    Raises:
        InvalidArgumentError: It has Windows line ends, with which no interpreter is found, `args` is one text
            and no list, or `timeout` is no number of seconds.
        DeploymentError: From `run`, where its exit status is not 0.
    """

    def __init__(
        self,
        script: str | bytes,
        args: Iterable[str] | None = None,
        name: str | None = None,
        delete: bool = False,
        timeout: float | None = None,
    ) -> None:
        text = _text(script)
        if "\r\n" in text:
            raise InvalidArgumentError(
                f"the script {name or ''} has Windows line ends, with which its interpreter is not found; "
                "save it with Unix ones"
            )
        self.script = text
        if isinstance(args, str | bytes):
            raise InvalidArgumentError("args is a list of arguments, not one text")
        if timeout is not None:
            waiting.require_times(timeout)
        self.args: Sequence[str] = [str(argument) for argument in args or ()]
        self.name = name or f"polycloud_deployment_{secrets.token_hex(4)}.sh"
        self.delete = delete
        self.timeout = timeout
        self.exit_status: int | None = None
        self.stdout: str | None = None
        self.stderr: str | None = None

    def run(self, node: Node, client: BaseSSHClient) -> Node:
        """Put the script on the node, run it, and delete it where that was asked for."""
        # By its own name: where files are served from a folder, their absolute paths differ from a command's
        path = self.name if self.name.startswith("/") else f"./{self.name}"
        with self._deleted(client, path):
            client.put(self.name, self.script, EXECUTABLE)
            self.stdout, self.stderr, self.exit_status = client.run(
                shlex.join([path, *self.args]), timeout=self.timeout
            )
            if self.exit_status != 0:
                raise DeploymentError(node, f"exit status {self.exit_status}", node.driver, step=self)
        return node

    @contextmanager
    def _deleted(self, client: BaseSSHClient, path: str) -> Iterator[None]:
        """Delete the script in the end, where asked for; what went wrong before that is not hidden by it."""
        try:
            yield
        except BaseException as error:
            try:
                self._delete(client, path)
            except SSHError as second:
                error.add_note(f"and {path} may still be on the node: {second}")
            raise
        self._delete(client, path)

    def _delete(self, client: BaseSSHClient, path: str) -> None:
        if self.delete:
            # Not by client.delete(): a script may have deleted itself
            done = client.run(shlex.join(["rm", "-f", "--", path]), timeout=TIDY_TIMEOUT)
            if done.exit_status != 0:
                raise SSHFileError(f"{path} cannot be deleted: {done.stderr.strip()}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class ScriptFileDeployment(ScriptDeployment):
    """Run the script in the file `script_file`; see `ScriptDeployment`.

    Raises `InvalidArgumentError` where it is no file that can be read.
    """

    def __init__(
        self,
        script_file: str,
        args: Iterable[str] | None = None,
        name: str | None = None,
        delete: bool = False,
        timeout: float | None = None,
    ) -> None:
        _require_file(script_file)
        path = Path(script_file).expanduser()
        script = path.read_bytes()
        own_name = f"{path.stem}_{secrets.token_hex(4)}{path.suffix}"
        super().__init__(script, args, name or own_name, delete, timeout)


class MultiStepDeployment(Deployment):
    """Steps one after another; the first that fails ends them."""

    def __init__(self, add: Deployment | Iterable[Deployment] | None = None) -> None:
        self.steps: list[Deployment] = []
        if add is not None:
            self.add(add)

    def add(self, add: Deployment | Iterable[Deployment]) -> None:
        """Add a step, or several."""
        steps = list(add) if isinstance(add, Iterable) else [add]
        for step in steps:
            if not callable(getattr(step, "run", None)):
                raise InvalidArgumentError(f"{step!r} is no step: it has no run(node, client)")
        self.steps.extend(steps)

    def run(self, node: Node, client: BaseSSHClient) -> Node:
        """Run every step."""
        for step in self.steps:
            node = run_step(step, node, client)
        return node


@dataclass(frozen=True)
class Login:
    """How to log in to a new node, and how patiently.

    `usernames` are tried in turn; `timeout` is the seconds until SSH answers, `ssh_timeout` those of one
    try; a refused login is tried `max_tries` times, since a machine answers before it has its keys;
    pauses between tries grow to `wait_period` seconds. Raises `InvalidArgumentError` for what
    cannot be.
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

    def __post_init__(self) -> None:
        for username in self.usernames:
            SSHClient("127.0.0.1", self.port, username)
        if not isinstance(self.max_tries, int) or self.max_tries < 1:
            raise InvalidArgumentError(f"max_tries={self.max_tries!r} is no number of tries")

    def client(self, address: str, username: str, machine: str) -> SSHClient:
        """A client, not yet connected. Raises `SSHKeyError` for a key that cannot be used."""
        return SSHClient(
            address,
            self.port,
            username,
            self.password,
            key_files=self.keys,
            timeout=self.ssh_timeout,
            key_password=self.key_password,
            machine=machine,
            host_keys=self.host_keys,
            on_output=self.on_output,
        )

    def connect(self, node: Node, addresses: Sequence[str]) -> SSHClient:
        """A client that is logged in to `node`, at the first of `addresses` that answers.

        Raises the last `SSHError` once `timeout` is over or the logins were refused `max_tries` times.
        """
        deadline = time.monotonic() + self.timeout
        ways = [self.client(a, user, node.uuid) for a in addresses for user in self.usernames]
        refusals = 0
        last: list[SSHError] = []

        def look() -> SSHClient | None:
            connected, errors = _first_connected(ways, self.ssh_timeout, deadline)
            last[:] = errors
            refused = [error for error in errors if isinstance(error, SSHAuthenticationError)]
            nonlocal refusals
            refusals += bool(refused)
            if connected is None and refused and refusals >= self.max_tries:
                raise refused[-1]
            return connected

        try:
            return waiting.poll(
                look,
                waiting_for=f"{node.name} (id {node.id}) to let {' or '.join(self.usernames)} in by SSH",
                timeout=self.timeout,
                longest_pause=self.wait_period,
            )
        except OperationTimeoutError as late:
            raise (last[-1] if last else late) from late


def _first_connected(
    ways: Iterable[SSHClient], ssh_timeout: float, deadline: float
) -> tuple[SSHClient | None, list[SSHError]]:
    errors: list[SSHError] = []
    for client in ways:
        remaining = deadline - time.monotonic()
        if errors and remaining <= 0:
            break
        client.timeout = min(ssh_timeout, max(remaining, LAST_TRY))
        try:
            client.connect()
        except (SSHConnectError, SSHTimeoutError, SSHAuthenticationError) as error:
            errors.append(error)
        else:
            return client, errors
    return None, errors


def run_step(step: Deployment, node: Node, client: BaseSSHClient) -> Node:
    """Run one step; whatever it raises ends as a `DeploymentError` that names the step.

    A step that gives back nothing gives back the node.
    """
    try:
        return cast("Node | None", step.run(node, client)) or node
    except DeploymentError:
        raise
    except Exception as error:
        raise DeploymentError(node, error, node.driver, step=step) from error


def _text(script: str | bytes) -> str:
    try:
        text = script.decode() if isinstance(script, bytes) else script
    except UnicodeDecodeError as error:
        raise InvalidArgumentError(f"the script is no text: {error}") from error
    if not isinstance(text, str) or "\0" in text:
        raise InvalidArgumentError("the script is no text")
    return text


def _require_file(path: str) -> None:
    try:
        with Path(path).expanduser().open("rb"):
            pass
    except (OSError, TypeError, ValueError, RuntimeError) as error:
        raise InvalidArgumentError(f"the file {path} cannot be read: {error}") from error
