from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
import stat
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar, cast

import asyncssh
import pytest

from polycloud.compute import ssh, sshsession
from polycloud.compute.ssh import HostKeys, SSHClient, load_private_key
from polycloud.compute.types import (
    SSHAuthenticationError,
    SSHCommandTimeoutError,
    SSHConnectError,
    SSHConnectionLostError,
    SSHError,
    SSHFileError,
    SSHHostKeyError,
    SSHKeyError,
    SSHOutputLimitError,
    SSHTimeoutError,
)
from polycloud.concurrency import waiting
from polycloud.concurrency.bridge import bridged
from polycloud.errors import InvalidArgumentError
from polycloud.http.messages import Transports
from polycloud.testing.sshd import SSHServer
from support.clock import ends_within

KEY = asyncssh.generate_private_key("ssh-ed25519")


def private(key: asyncssh.SSHKey = KEY, **options: Any) -> str:
    """The private half; with a passphrase it opens at once, not after a second of a processor."""
    return key.export_private_key(**{"rounds": 1, "ignore_few_rounds": True, **options}).decode()


@cache
def key_of(algorithm: str) -> asyncssh.SSHKey:
    """One key of each kind: an RSA key takes 0.4 s of a processor."""
    return asyncssh.generate_private_key(algorithm)


def public(key: asyncssh.SSHKey = KEY) -> str:
    return key.export_public_key().decode().strip()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SSHServer]:
    with SSHServer(public(), passwords=["right-password"], home=tmp_path) as server:
        yield server


@pytest.fixture
def client(server: SSHServer) -> Iterator[SSHClient]:
    with SSHClient(server.host, server.port, key_material=private()) as client:
        yield client


# Commands


def test_run(client: SSHClient) -> None:
    """A command gives its output, its errors and its exit status, in Libcloud's order."""
    stdout, stderr, exit_status = client.run("echo out; echo err >&2; exit 7")
    assert (stdout, stderr, exit_status) == ("out\n", "err\n", 7)


def test_many_commands_over_one_connection(server: SSHServer, client: SSHClient) -> None:
    """A connection runs one command after another, and several at once."""
    assert [client.run(f"echo {n}").stdout for n in range(3)] == ["0\n", "1\n", "2\n"]
    all_begun = "touch begun-$$; until [ $(ls | grep -c begun) = 5 ]; do sleep 0.01; done; echo x"
    results = waiting.gather([lambda: client.run(all_begun, timeout=20).stdout] * 5)
    assert results == ["x\n"] * 5
    assert len(server.connections) == 1


def test_output_is_live(server: SSHServer) -> None:
    """Output is handed to the callback as it arrives, in the caller's thread, before the command ends."""
    seen: list[tuple[str, str]] = []

    def on_output(stream: str, text: str) -> None:
        assert threading.current_thread() is threading.main_thread()
        seen.append((stream, text))
        (server.home / "go").touch()

    with SSHClient(server.host, server.port, key_material=private(), on_output=on_output) as client:
        result = client.run("echo first; while [ ! -e go ]; do sleep 0.01; done; echo second >&2")
    assert "".join(text for stream, text in seen if stream == "stdout") == result.stdout == "first\n"
    assert ("stderr", "second\n") in seen


def test_a_callback_that_fails_ends_the_command(server: SSHServer) -> None:
    """An error of the callback reaches the caller, and the command does not go on."""

    def on_output(stream: str, text: str) -> None:
        raise ZeroDivisionError

    with SSHClient(server.host, server.port, key_material=private(), on_output=on_output) as client:
        with pytest.raises(ZeroDivisionError):
            client.run("echo x; sleep 60")
        wait_for_no_processes(server)


def wait_for_no_processes(server: SSHServer) -> None:
    def check() -> bool | None:
        return all(process.returncode is not None for process in server.processes) or None

    waiting.poll(check, waiting_for="the commands to end", timeout=10, longest_pause=0.05)


def test_ten_megabytes(client: SSHClient) -> None:
    """10 MB of output on both streams come back completely."""
    result = client.run(
        "head -c 10000000 /dev/zero | tr '\\0' 'x'; head -c 10000000 /dev/zero | tr '\\0' 'y' >&2"
    )
    assert (len(result.stdout), len(result.stderr)) == (10_000_000, 10_000_000)
    assert set(result.stdout) | set(result.stderr) == {"x", "y"}


def test_too_much_output(server: SSHServer, client: SSHClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that prints without end is ended at a limit."""
    monkeypatch.setattr(sshsession, "OUTPUT_LIMIT", 1_000_000)
    with pytest.raises(SSHOutputLimitError, match="1,000,000"):
        client.run("yes")
    wait_for_no_processes(server)


def test_output_that_is_not_utf_8(client: SSHClient) -> None:
    """Bytes that are not UTF-8 are replaced, not fatal."""
    assert client.run(r"printf 'a\377b'").stdout == "a\ufffdb"


def test_a_command_that_never_ends(server: SSHServer, client: SSHClient) -> None:
    """After its timeout a command is ended, and what it printed is kept in the error."""
    with pytest.raises(
        SSHCommandTimeoutError, match=r"'echo begun; sleep 60' did not end within 0\.3 s"
    ) as caught:
        client.run("echo begun; sleep 60", timeout=0.3)
    assert caught.value.stdout == "begun\n"
    wait_for_no_processes(server)
    assert client.run("echo still here").stdout == "still here\n"


def test_a_signal_ends_a_command(client: SSHClient) -> None:
    """A command that a signal ends has the exit status -1."""
    assert client.run("kill -9 $$").exit_status == -1


def test_a_connection_that_is_lost(server: SSHServer, client: SSHClient) -> None:
    """A connection that ends in the middle of a command is an error that says so; a new one works."""
    threading.Timer(0.3, server.drop_connections).start()
    with pytest.raises(SSHConnectionLostError, match="rebooting"):
        client.run("sleep 60")
    client.connect()
    assert client.run("echo back").stdout == "back\n"


def test_ctrl_c_ends_a_command(server: SSHServer, client: SSHClient) -> None:
    """Ctrl-C ends the wait for a command and the command itself."""
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with ends_within(20), pytest.raises(KeyboardInterrupt):
        client.run("sleep 60")
    wait_for_no_processes(server)


def test_a_client_that_is_not_connected() -> None:
    """Without a connection the methods say that connect() is missing."""
    with pytest.raises(SSHError, match=r"connect\(\) first"):
        SSHClient("127.0.0.1", key_material=private()).run("true")


def test_on_an_event_loop(server: SSHServer) -> None:
    """The same calls work inside a bridge, on the caller's loop."""
    loops: list[asyncio.AbstractEventLoop] = []

    def work(name: str) -> str:
        def on_output(stream: str, text: str) -> None:
            loops.append(asyncio.get_running_loop())

        with SSHClient(server.host, server.port, key_material=private(), on_output=on_output) as client:
            client.put(name, name)
            return client.run(f"cat {name}").stdout

    async def main() -> list[str]:
        calls = (bridged(partial(work, name), cast("Transports", None)) for name in "abc")
        outputs = await asyncio.gather(*calls)
        assert loops == [asyncio.get_running_loop()] * 3
        return outputs

    assert asyncio.run(main()) == ["a", "b", "c"]


@contextmanager
def silent(server: SSHServer) -> Iterator[None]:
    """The server keeps its connections open and does not respond."""
    over = threading.Event()
    server.loop.call_soon_threadsafe(over.wait)
    try:
        yield
    finally:
        over.set()


def test_a_server_that_stops_responding(
    server: SSHServer, client: SSHClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands, file operations and `close` end at their timeouts on a server that has stopped responding."""
    monkeypatch.setattr(sshsession, "RESPONSE_TIMEOUT", 0.3)
    monkeypatch.setattr(sshsession, "CLOSE_TIMEOUT", 0.3)
    with silent(server), ends_within(5):
        with pytest.raises(SSHCommandTimeoutError):
            client.run("true", timeout=0.2)
        with pytest.raises(SSHTimeoutError, match="'true'"):
            client.run("true")
        for ask in (client.get, client.put, client.delete):
            with pytest.raises(SSHTimeoutError, match="the file 'f'"):
                ask("f")
        client.close()


def test_ctrl_c_on_a_server_that_stops_responding(server: SSHServer, client: SSHClient) -> None:
    """Ctrl-C ends the wait for a file at once, whatever the server does."""
    with silent(server):
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        with ends_within(20), pytest.raises(KeyboardInterrupt):
            client.put("f", "x")


def test_nothing_goes_on_after_a_command_was_ended(client: SSHClient) -> None:
    """A command that is ended while it floods leaves no task on the event loop."""

    async def tasks() -> list[str]:
        await asyncio.sleep(0.1)
        return [repr(task) for task in asyncio.all_tasks() if "_Running" in repr(task)]

    def stop(stream: str, text: str) -> None:
        waiting.sleep(0.3)  # until the queue is full
        raise ZeroDivisionError

    client.on_output = stop
    with pytest.raises(ZeroDivisionError):
        client.run("yes")
    assert waiting.run(tasks) == []


@pytest.mark.parametrize(("cmd", "timeout"), [(None, 1), (5, 1), ("true", "5"), ("true", -1)])
def test_odd_commands_are_refused(client: SSHClient, cmd: Any, timeout: Any) -> None:
    """An invalid command or timeout is refused: without a command, a shell would wait for ever."""
    with pytest.raises(InvalidArgumentError):
        client.run(cmd, timeout=timeout)


def test_a_connection_belongs_to_its_event_loop(client: SSHClient, server: SSHServer) -> None:
    """On another event loop a connection raises an SSHError and may be closed; a new one works there."""

    def elsewhere() -> str:
        with pytest.raises(SSHError, match="another process or event loop"):
            client.run("true")
        client.connect()
        return client.run("echo here").stdout

    async def main() -> str:
        outcome = await bridged(elsewhere, cast("Transports", None))
        await asyncio.to_thread(client.close)  # in plain code
        await asyncio.sleep(0.1)
        return outcome

    assert asyncio.run(main()) == "here\n"


def test_a_connection_belongs_to_its_process(client: SSHClient) -> None:
    """A forked child cannot use its parent's connection, and does not break it by closing it."""
    child = os.fork()
    if child == 0:
        try:
            with pytest.raises(SSHError, match="another process"):
                client.run("true")
            client.close()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert client.run("echo still here").stdout == "still here\n"


# Files


def test_put_get_delete(server: SSHServer, client: SSHClient) -> None:
    """A file is written with its permissions, read back, added to and deleted; folders are made."""
    path = client.put("a/b/file.txt", "tëxt", chmod=0o640)
    written = server.home / "a/b/file.txt"
    assert path == str(written)
    assert (written.read_text(), stat.S_IMODE(written.stat().st_mode)) == ("tëxt", 0o640)
    client.put("a/b/file.txt", b"+more", mode="a")
    assert client.get("a/b/file.txt").decode() == "tëxt+more"
    assert client.delete("a/b/file.txt") is True
    assert not written.exists()


def test_large_files(server: SSHServer, client: SSHClient) -> None:
    """A large open file arrives completely."""
    content = os.urandom(3_000_000)
    client.putfo("large", io.BytesIO(content))
    assert (server.home / "large").read_bytes() == content


def test_a_file_is_private_before_it_has_content(server: SSHServer, client: SSHClient) -> None:
    """A file has its permissions before its content, and the open file is read in the caller's thread."""
    (server.home / "secret").touch(0o644)
    modes: list[int] = []

    class Watching(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            assert threading.current_thread() is threading.main_thread()
            modes.append(int(client.run("stat -c %a secret").stdout, 8))
            return super().read(size)

    client.putfo("secret", Watching(b"content"), chmod=0o600)
    assert modes == [0o600, 0o600]
    assert client.get("secret") == b"content"


def test_a_file_without_end(client: SSHClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of more than is kept is not read to its end."""
    monkeypatch.setattr(ssh, "OUTPUT_LIMIT", 3_000_000)
    client.put("large", b"x" * 3_000_000)
    assert len(client.get("large")) == 3_000_000
    with pytest.raises(SSHOutputLimitError, match="'/dev/zero' has more than 3,000,000"):
        client.get("/dev/zero")


def test_file_errors_name_the_file(client: SSHClient) -> None:
    """A file that is not there or cannot be written is named."""
    with pytest.raises(SSHFileError, match="'none'"):
        client.get("none")
    with pytest.raises(SSHFileError, match="'none'"):
        client.delete("none")
    client.put("plain", "x")
    with pytest.raises(SSHFileError, match="'plain/below'"):
        client.put("plain/below", "x")
    with pytest.raises(InvalidArgumentError, match="'r'"):
        client.put("plain", "x", mode="r")


# Logging in


def test_passwords(server: SSHServer) -> None:
    """A password logs in; a wrong one raises an error that does not show it."""
    with SSHClient(server.host, server.port, password="right-password") as client:
        assert client.run("echo in").stdout == "in\n"
    wrong = SSHClient(server.host, server.port, password="wr0ng-password")
    with pytest.raises(SSHAuthenticationError, match="refuses 'root' with a password") as caught:
        wrong.connect()
    assert "wr0ng-password" not in repr(caught.value) + repr(wrong)


class Asking(asyncssh.SSHServer):
    """A server that asks questions by keyboard-interactive: `prompts`, then `more` if they are answered."""

    prompts: ClassVar[list[tuple[str, bool]]] = []
    more: ClassVar[list[tuple[str, bool]]] = []
    answers: ClassVar[list[str]] = []

    def begin_auth(self, username: str) -> bool:
        return True

    def kbdint_auth_supported(self) -> bool:
        return True

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return "", "Bitte Kennwort\x1b[2J eingeben, nicht right-password", "de", self.prompts

    def validate_kbdint_response(self, username: str, responses: Any) -> Any:
        self.answers.extend(responses)
        if self.more and len(self.answers) == len(self.prompts):
            return "", "", "de", self.more
        return responses[:1] == ["right-password"] and not self.more


@contextmanager
def asking(prompts: list[tuple[str, bool]], more: list[tuple[str, bool]]) -> Iterator[int]:
    """Run such a server; yield its port."""
    kind = type("Kind", (Asking,), {"prompts": prompts, "more": more, "answers": []})

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen("127.0.0.1", 0, server_factory=kind, server_host_keys=[KEY])

    acceptor = waiting.run(listen)
    try:
        yield acceptor.get_port()
    finally:

        async def close() -> None:
            acceptor.close()
            await acceptor.wait_closed()

        waiting.run(close)


@pytest.mark.parametrize("prompt", ["Kennwort: ", "\u30d1\u30b9\u30ef\u30fc\u30c9:", "Contrase\u00f1a: ", ""])
def test_prompts_of_any_language(prompt: str) -> None:
    """One hidden prompt of keyboard-interactive is answered with the password, whatever its language."""
    with asking([(prompt, False)], []) as port:
        with SSHClient("127.0.0.1", port, password="right-password"):
            pass


@pytest.mark.parametrize(
    ("prompts", "more", "words"),
    [
        ([("Name", True)], [], "Name"),
        ([("Kennwort", False), ("Code", False)], [], "Code"),
        ([("Kennwort", False)], [("Neues Kennwort", False)], "Neues Kennwort"),
    ],
)
def test_a_password_that_is_repeated(
    prompts: list[tuple[str, bool]], more: list[tuple[str, bool]], words: str
) -> None:
    """Other questions get no answer; they are in the error, without control characters and the password."""
    with asking(prompts, more) as port:
        with pytest.raises(SSHAuthenticationError, match=f"it says: .*{words}") as caught:
            SSHClient("127.0.0.1", port, password="right-password").connect()
    assert "right-password" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_key_that_is_refused(server: SSHServer) -> None:
    """A key that the server does not know raises an error with the user's name."""
    stranger = asyncssh.generate_private_key("ssh-ed25519")
    with pytest.raises(SSHAuthenticationError, match=r"refuses 'root' with 1 key\(s\)"):
        SSHClient(server.host, server.port, key_material=private(stranger)).connect()


@pytest.mark.parametrize(
    ("algorithm", "form"),
    [
        ("ssh-rsa", "openssh"),
        ("ssh-rsa", "pkcs1-pem"),
        ("ssh-ed25519", "openssh"),
        ("ssh-ed25519", "pkcs8-pem"),
        ("ecdsa-sha2-nistp256", "openssh"),
        ("ecdsa-sha2-nistp384", "pkcs1-pem"),
    ],
)
@pytest.mark.parametrize("passphrase", [None, "open sesame"])
def test_keys(server: SSHServer, tmp_path: Path, algorithm: str, form: str, passphrase: str | None) -> None:
    """RSA, Ed25519 and ECDSA keys log in, from OpenSSH and PEM files, encrypted or not."""
    key = key_of(algorithm)
    server.public_keys.append(public(key))
    file = tmp_path / "key"
    file.write_text(private(key, format_name=form, passphrase=passphrase))
    with SSHClient(server.host, server.port, key_files=str(file), key_password=passphrase) as client:
        assert client.run("echo in").stdout == "in\n"


@pytest.mark.parametrize("form", ["openssh", "pkcs1-pem", "pkcs8-pem"])
def test_keys_that_do_not_open(tmp_path: Path, form: str) -> None:
    """An encrypted key raises one error without a passphrase and another with a wrong one."""
    key = key_of("ssh-rsa")
    text = private(key, format_name=form, passphrase="right")
    (tmp_path / "key").write_text(text)
    with pytest.raises(SSHKeyError, match=r"is encrypted; pass its passphrase"):
        load_private_key(str(tmp_path / "key"))
    with pytest.raises(SSHKeyError, match="cannot be decrypted with this passphrase"):
        load_private_key(text, "wrong")
    assert load_private_key(text, "right").get_algorithm() == "ssh-rsa"


def test_invalid_keys(tmp_path: Path) -> None:
    """A missing key file and an unknown format raise different errors, which name the file."""
    with pytest.raises(SSHKeyError, match=r"none.* cannot be read"):
        load_private_key(str(tmp_path / "none"))
    (tmp_path / "odd").write_text("PuTTY-User-Key-File-3: ssh-ed25519\n")
    with pytest.raises(SSHKeyError, match=r"odd must be in OpenSSH's format or PEM"):
        load_private_key(str(tmp_path / "odd"))
    with pytest.raises(SSHKeyError, match="the key in memory must be in OpenSSH's format or PEM"):
        load_private_key("-----BEGIN OPENSSH PRIVATE KEY-----\nnonsense\n-----END OPENSSH PRIVATE KEY-----\n")


@pytest.mark.parametrize(
    "key",
    [
        "PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\nS3CRET\n",
        "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUS3CRET" * 10,
        b"\xff-----BEGIN PRIVATE KEY-----S3CRET",
    ],
)
def test_keys_are_not_repeated(key: str | bytes) -> None:
    """A key that is not understood is not shown, in the error or in what its traceback prints."""
    with pytest.raises(SSHKeyError, match="the key in memory") as caught:
        load_private_key(key)
    assert "S3CRET" not in "".join(traceback.format_exception(caught.value))


def test_keys_of_the_users_home(server: SSHServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without explicit credentials, the keys of the user's home are tried."""
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id_ed25519").write_text(private())
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with SSHClient(server.host, server.port) as client:
        assert client.run("echo in").stdout == "in\n"


def test_nobody_listens() -> None:
    """A closed port is a connection error with the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(SSHConnectError, match=f"127.0.0.1:{port} cannot be reached"):
        SSHClient("127.0.0.1", port, key_material=private()).connect()


def test_a_server_that_does_not_respond() -> None:
    """A server that takes the connection and hangs is a timeout with the address."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with ends_within(10), pytest.raises(SSHTimeoutError, match=f"{port} did not complete the login"):
            SSHClient("127.0.0.1", port, key_material=private(), timeout=0.3).connect()


def test_a_server_that_speaks_something_else() -> None:
    """A server that does not speak SSH is a connection error, not a foreign exception."""
    from support.web import raw_answers

    with raw_answers(b"HTTP/1.1 400 Bad Request\r\n\r\n") as web, pytest.raises(SSHConnectError):
        SSHClient(web.host, web.port, key_material=private(), timeout=5).connect()


# Host keys


def test_a_changed_host_key(tmp_path: Path) -> None:
    """A machine with another host key than before is refused; another machine at its address is not."""
    memory = HostKeys()
    first, second = tmp_path / "1", tmp_path / "2"
    first.mkdir()
    second.mkdir()
    with SSHServer(public(), home=first) as server:
        port = server.port
        SSHClient(server.host, port, key_material=private(), machine="node-1", host_keys=memory).connect()
    with SSHServer(public(), home=second, port=port) as server:
        client = SSHClient(server.host, port, key_material=private(), machine="node-1", host_keys=memory)
        with pytest.raises(SSHHostKeyError, match="node-1"):
            client.connect()
        with SSHClient(server.host, port, key_material=private(), machine="node-2", host_keys=memory):
            pass
        memory.forget("node-1")
        client.connect()
        client.close()


def test_known_hosts_file(server: SSHServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Host keys are written to a file only where the caller names one, and are read from there again."""
    before = set(tmp_path.rglob("*"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with SSHClient(server.host, server.port, key_material=private()):
        pass
    assert set(tmp_path.rglob("*")) == before
    file = tmp_path / "known_hosts"
    for _ in range(2):
        with SSHClient(server.host, server.port, key_material=private(), host_keys=HostKeys(str(file))):
            pass
    (line,) = file.read_text().splitlines()
    assert line == f"[127.0.0.1]:{server.port} {public_of(server)}"
    other = public(asyncssh.generate_private_key("ssh-ed25519"))
    file.write_text(f"# comment\n\n|1|hashed= ssh-rsa AAAA\n[127.0.0.1]:{server.port},alias {other}\n")
    with pytest.raises(SSHHostKeyError):
        SSHClient(server.host, server.port, key_material=private(), host_keys=HostKeys(str(file))).connect()


def public_of(server: SSHServer) -> str:
    return " ".join(public(server.host_key).split()[:2])


def test_a_known_hosts_file_that_cannot_be_used(tmp_path: Path) -> None:
    """A known_hosts file that cannot be read or made is named at once."""
    with pytest.raises(InvalidArgumentError, match=str(tmp_path)):
        HostKeys(str(tmp_path))
    with pytest.raises(InvalidArgumentError, match="none/known_hosts cannot be written"):
        HostKeys(str(tmp_path / "none/known_hosts"))


def test_a_known_hosts_file_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A known_hosts file may be below `~`, and hold several keys of one machine."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "known_hosts").write_text("web ssh-ed25519 AAAA\nweb,www ssh-rsa BBBB\n")
    known = HostKeys("~/known_hosts")
    assert known.accept("web", "ssh-ed25519 AAAA")
    assert known.accept("web", "ssh-rsa BBBB")
    assert not known.accept("web", "ssh-rsa CCCC")
    assert not known.accept("www", "ssh-ed25519 AAAA")


def test_a_host_key_is_remembered_once_somebody_was_let_in(tmp_path: Path) -> None:
    """A machine that refuses everybody may still change its key, as machines do while they are set up."""
    memory = HostKeys()
    with SSHServer(home=tmp_path) as server:
        port = server.port
        client = SSHClient(server.host, port, key_material=private(), machine="node-1", host_keys=memory)
        with pytest.raises(SSHAuthenticationError):
            client.connect()
    with SSHServer(public(), home=tmp_path, port=port) as server, client:
        client.connect()
        assert memory.seen == {"node-1": [public_of(server)]}


class SlowMemory(dict[str, list[str]]):
    """Seen keys that are slow to search, so that threads meet between the search and what follows it."""

    def __contains__(self, machine: object) -> bool:
        found = super().__contains__(machine)
        waiting.sleep(0.05)
        return found


@pytest.mark.parametrize("file", [None, "known_hosts"])
def test_threads_that_meet_two_keys_of_a_machine(tmp_path: Path, file: str | None) -> None:
    """Where two threads meet different keys of a new machine, one key is kept and the other is refused."""
    path = tmp_path / file if file else None
    memory = HostKeys(str(path) if path else None, SlowMemory())
    keys = ["ssh-ed25519 AAAA", "ssh-ed25519 BBBB"]
    accepted = waiting.gather([partial(memory.accept, "node-1", key) for key in keys])
    assert sorted(accepted) == [False, True]
    (kept,) = memory.seen["node-1"]
    assert accepted[keys.index(kept)]
    if path:
        assert path.read_text() == f"node-1 {kept}\n"


def test_clients_that_meet_two_keys_of_a_machine(tmp_path: Path) -> None:
    """Of two clients that see different host keys of a new machine at once, one gets `SSHHostKeyError`."""
    together = threading.Barrier(2, timeout=20)

    class Meeting(HostKeys):
        def accept(self, machine: str, key: str) -> bool:
            together.wait()  # both are logged in, and no key is remembered yet
            return super().accept(machine, key)

    memory = Meeting()

    def connect(server: SSHServer) -> str:
        client = SSHClient(
            server.host, server.port, key_material=private(), machine="node-1", host_keys=memory
        )

        def work() -> str:
            try:
                with client:
                    return client.run("echo in").stdout
            except SSHHostKeyError as error:
                with pytest.raises(SSHError, match=r"connect\(\) first"):
                    client.run("true")
                return str(error)

        return asyncio.run(bridged(work, cast("Transports", None)))

    with SSHServer(public(), home=tmp_path) as one, SSHServer(public(), home=tmp_path) as two:
        servers = [one, two]
        outcomes = waiting.gather([partial(connect, server) for server in servers])
        accepted = [server for server, outcome in zip(servers, outcomes, strict=True) if outcome == "in\n"]
        assert len(accepted) == 1
        assert memory.seen == {"node-1": [public_of(accepted[0])]}
        assert any("has another host key than node-1 had before" in text for text in outcomes)
        for server in servers:
            wait_for_no_connections(server)


def test_a_login_whose_key_cannot_be_kept(server: SSHServer, tmp_path: Path) -> None:
    """A login whose host key cannot be written into the known_hosts file fails and is cut at the server."""
    file = tmp_path / "known_hosts"
    memory = HostKeys(str(file))
    file.unlink()
    file.mkdir()
    client = SSHClient(server.host, server.port, key_material=private(), host_keys=memory)
    with pytest.raises(InvalidArgumentError, match="cannot be written"):
        client.connect()
    assert memory.seen == {}
    wait_for_no_connections(server)


def wait_for_no_connections(server: SSHServer) -> None:
    def check() -> bool | None:
        return all(connection.is_closed() for connection in server.connections) or None

    waiting.poll(check, waiting_for="the connections to end", timeout=10, longest_pause=0.05)


# Odd input


@pytest.mark.parametrize(
    "arguments",
    [
        {"hostname": None},
        {"hostname": "a\0b"},
        {"port": "22x"},
        {"port": 99999},
        {"username": "a\nb"},
        {"username": ""},
        {"timeout": -1},
        {"timeout": "5"},
    ],
)
def test_odd_addresses_are_refused(arguments: dict[str, Any]) -> None:
    """An address, a user name or a time that cannot be meant is refused when the client is made."""
    with pytest.raises(InvalidArgumentError):
        SSHClient(**{"hostname": "127.0.0.1", "key_material": private(), **arguments})


def test_keys_of_every_kind_of_source(tmp_path: Path) -> None:
    """A key may be a path, text, bytes or loaded; any other type raises an SSHKeyError that names it."""
    (tmp_path / "key").write_text(private())
    for source in (tmp_path / "key", private(), private().encode()):
        loaded = load_private_key(source)
        assert loaded.get_algorithm() == "ssh-ed25519"
        assert load_private_key(loaded) is loaded
    with pytest.raises(SSHKeyError, match="got int"):
        load_private_key(5)  # type: ignore[arg-type]


def test_a_host_name_that_cannot_be() -> None:
    """A host name that no resolver takes is a connection error, not a foreign exception."""
    with pytest.raises(SSHConnectError):
        SSHClient("é" * 100, key_material=private(), timeout=5).connect()
