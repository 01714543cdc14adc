from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from polycloud import connect
from polycloud.cli import shells
from polycloud.sandbox import Sandbox

if TYPE_CHECKING:
    Run = Callable[..., subprocess.CompletedProcess[str]]

BASH = """
source "$1"
COMP_WORDS=(polycloud nodes stop "") COMP_CWORD=3
_polycloud_completion polycloud
printf '%s\\n' "${COMPREPLY[@]}"
"""


STARTS = {
    "bash": ("bash", "--norc", "--noprofile", "-i"),
    "zsh": ("zsh", "-f", "-i"),
    "fish": ("fish", "--no-config", "--private", "-i"),
}
PREPARE = {
    "bash": "PS1='REA''DY> '; source ./script",
    "zsh": "PS1='REA''DY> '; autoload -Uz compinit; compinit -u -D; source ./script",
    "fish": "function fish_prompt; printf 'REA''DY> '; end; source ./script",
}


def offered(run: Run, line: str, **variables: str) -> list[str]:
    """The completions of the last word of a line."""
    done = run(
        _POLYCLOUD_COMPLETE="complete_bash",
        COMP_WORDS=line,
        COMP_CWORD=str(len(line.split(" ")) - 1),
        **variables,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_commands(run: Run) -> None:
    """Names of commands and of their subcommands are completed."""
    assert offered(run, "polycloud pro") == ["profiles", "providers"]
    assert offered(run, "polycloud nodes st") == ["start", "stop"]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("polycloud nodes list -p ", ["home", "work"]),
        ("polycloud nodes list -p w", ["work"]),
        ("polycloud profiles check ", ["home", "work"]),
        ("polycloud nodes list --provider dummy", ["dummy"]),
        ("polycloud nodes stop ", ["dummy-1", "dummy-2"]),
        ("polycloud nodes stop -p work dummy-1 ", ["dummy-1", "dummy-2"]),
        ("polycloud volumes attach disk ", ["dummy-1", "dummy-2"]),
        ("polycloud nodes create --size ", ["Small", "Medium", "Big", "4"]),
        ("polycloud nodes create --image ", ["1", "2", "3"]),
        ("polycloud nodes create --location ", ["1", "2", "3"]),
        ("polycloud keys delete ", []),
    ],
)
def test_names(run: Run, dummies: dict[str, str], line: str, names: list[str]) -> None:
    """Names of profiles, providers and resources are completed; the id if a name has spaces."""
    assert offered(run, line, **dummies) == names


def test_a_cloud_that_does_not_respond(run: Run, tmp_path: Path) -> None:
    """If the provider is late or nothing is configured, nothing is offered and nothing printed."""

    def offers(name: str, text: str, line: str) -> list[str]:
        file = tmp_path / name
        file.write_text(text)
        file.chmod(0o600)
        return offered(run, line, POLYCLOUD_CONFIG=str(file))

    nodes = "polycloud nodes stop "
    with Sandbox("nephoscale", ssh="off", latency=600.0) as cloud, ThreadPoolExecutor() as pool:
        late = f'provider = "nephoscale"\nurl = "{cloud.url}"\nuser = "u"\npassword = "p"'
        stuck = 'provider = "dummy"\nkey = { command = "sleep 600" }'
        asked = [
            pool.submit(offers, "late", f"[profiles.a]\n{late}\n", nodes),
            pool.submit(offers, "stuck", f"[profiles.a]\n{stuck}\n", nodes),
            pool.submit(offers, "broken", "[", f"{nodes}-p "),
        ]
        assert [one.result() for one in asked] == [[], [], []]
    assert offered(run, nodes) == []


def test_bash_completes(run: Run, dummies: dict[str, str], tmp_path: Path) -> None:
    """`--install-completion` installs a script for bash that completes names."""
    home = tmp_path / "home"
    home.mkdir()
    command = tmp_path / "polycloud"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m polycloud.cli.main "$@"\n')
    command.chmod(0o755)
    variables = {**dummies, "HOME": str(home), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    installed = subprocess.run(
        ["bash", "-c", "polycloud --install-completion; true"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=variables,
    )
    assert "bash completion installed" in installed.stdout, installed.stderr
    script = home / ".bash_completions" / "polycloud.sh"
    assert str(script) in (home / ".bashrc").read_text()
    done = subprocess.run(
        ["bash", "-c", BASH, "bash", str(script)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=variables,
    )
    assert done.stdout.split() == ["dummy-1", "dummy-2"], done.stderr


@pytest.fixture
def places(tmp_path: Path, configured: Callable[[str], Path]) -> dict[str, str]:
    """The environment of a user with storage in a folder: two containers, and objects in one."""
    for name in ("photos/2026/05/a.jpg", "photos/2026/b.jpg", "photos/index", "plans/x", "photos/$(touch y)"):
        file = tmp_path / "disk" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("content")
    file = configured(
        f'[profiles.disk]\nprovider = "local"\nservice = "storage"\npath = "{tmp_path / "disk"}"\n'
        '[profiles.servers]\nprovider = "dummy"\nservice = "compute"\nkey = "k"\n'
    )
    return {"POLYCLOUD_CONFIG": str(file)}


@pytest.mark.parametrize(
    ("begun", "expected"),
    [
        ("", ["disk:"]),
        ("d", ["disk:"]),
        ("disk:", ["disk:photos/", "disk:plans/"]),
        ("disk:ph", ["disk:photos/"]),
        ("disk:photos/2026/", ["disk:photos/2026/05/", "disk:photos/2026/b.jpg"]),
        ("disk:photos/i", ["disk:photos/index"]),
        ("disk:none/", []),
        ("none:", []),
    ],
)
def test_addresses(run: Run, places: dict[str, str], begun: str, expected: list[str]) -> None:
    """Addresses are completed step by step: accounts with storage, containers, and the names in a folder."""
    for command in ("ls", "cp ./file", "sync disk:photos"):
        assert offered(run, f"polycloud storage {command} {begun}", **places) == expected


@pytest.mark.parametrize(("breaks", "start"), [(" :", ""), (" ", "disk:")])
def test_addresses_in_bash(run: Run, places: dict[str, str], breaks: str, start: str) -> None:
    """A bash that takes a colon for the end of a word gets what follows it."""
    words = {"COMP_WORDS": "polycloud\nstorage\nls\ndisk\n:\nphotos/", "COMP_CWORD": "5"}
    line = {"COMP_LINE": "polycloud storage ls disk:photos/", "COMP_WORDBREAKS": breaks}
    done = run(_POLYCLOUD_COMPLETE="complete_bash", **words, **line, **places)
    assert done.stdout.split() == [f"{start}photos/2026/", f"{start}photos/index"]


@pytest.mark.campaign
@pytest.mark.parametrize("shell", STARTS)
def test_addresses_in_a_shell(
    terminal: Callable[..., Any], run: Run, places: dict[str, str], tmp_path: Path, shell: str
) -> None:
    """In a real shell an address is completed step by step, without a space before it is complete."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "polycloud"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m polycloud.cli.main "$@"\n')
    command.chmod(0o755)
    script = tmp_path / "script"
    script.write_text(run(_POLYCLOUD_COMPLETE=f"source_{shell}").stdout)
    started = terminal(
        program=("sh", "-c", f'cd {tmp_path} && exec "$@"', "sh", *STARTS[shell]),
        columns=300,
        HOME=str(tmp_path),
        PATH=f"{folder}:{os.environ['PATH']}",
        **places,
    )
    started.type(f"{PREPARE[shell]}\r")
    started.until("READY> ")
    started.type("polycloud storage ls di\t")
    for seen, more in (("disk:", "pho\t"), ("disk:photos/", "20\t"), ("disk:photos/2026/", "b\t")):
        started.until(seen)
        started.type(more)
    started.until("disk:photos/2026/b.jpg")


def test_show_completion(dummies: dict[str, str], tmp_path: Path) -> None:
    """`--show-completion` prints the script for the shell that calls it."""
    shown = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m polycloud.cli.main --show-completion; true"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "_polycloud_completion()" in shown.stdout, shown.stderr


@pytest.mark.parametrize(
    ("shell", "said"),
    [("bash", "complete -o"), ("zsh", "#compdef polycloud"), ("fish", "complete --command")],
)
def test_scripts_for_other_shells(run: Run, shell: str, said: str) -> None:
    """`_POLYCLOUD_COMPLETE` prints the script for a shell from any shell."""
    assert said in run(_POLYCLOUD_COMPLETE=f"source_{shell}").stdout


HOSTILE = {
    "a": "a$(touch${IFS}$PWNED)-end-a",
    "b": "b`touch${IFS}$PWNED`-end-b",
    "c": "c;touch${IFS}$PWNED;-end-c",
    "d": "d'$(touch${IFS}$PWNED)'-end-d",
    "e": 'e"|touch${IFS}$PWNED|"-end-e',
    "f": "f*{x,y}?[a]~!!^#<>&-end-f",
    "g": "g\\:\\n%s\\-end-g",
}
"""Names that a shell would run or change, by the key that begins them."""
COLON = "h:;touch${IFS}$PWNED;:-end-h"
UNFIT = ("--yes", "h\x1b]0;x\x07", "i\u202etxt", "j\u009b2J", "k\u200bx", "l [/x] " + "m" * 80)
"""Names that are an option, that a terminal would execute or not show, or not one word."""


@pytest.fixture
def hostile(run: Run, configured: Callable[[str], Path]) -> Iterator[dict[str, str]]:
    """The environment of a user whose nodes have such names."""
    with Sandbox("nephoscale", ssh="off", appear=0.0, build=0.0) as cloud:
        user, password = cloud.credentials
        file = configured(
            f'[profiles.a]\nprovider = "nephoscale"\nurl = "{cloud.url}"\n'
            f'user = "{user}"\npassword = "{password}"\n'
        )
        with connect("nephoscale", *cloud.credentials, url=cloud.url) as driver:
            size, image = driver.list_sizes()[0], driver.list_images()[0]
            for name in (*HOSTILE.values(), *UNFIT):
                driver.create_node(name, size, image)
        yield {"POLYCLOUD_CONFIG": str(file)}


def test_names_that_are_no_words(run: Run, hostile: dict[str, str]) -> None:
    """For a name that is an option or has control or invisible characters, the id is offered."""
    words = [shlex.split(text)[0] for text in offered(run, "polycloud nodes stop ", **hostile)]
    assert set(HOSTILE.values()) < set(words)
    assert [word.isdigit() for word in words].count(True) == len(UNFIT)
    for shell in ("zsh", "fish", "powershell"):
        line = {
            "_TYPER_COMPLETE_ARGS": "polycloud nodes stop ",
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        }
        text = run(_POLYCLOUD_COMPLETE=f"complete_{shell}", **line, **hostile).stdout
        assert text.replace("\n", "").replace("\t", "").isprintable()
        assert "--yes" in text  # as the description of its id


@pytest.fixture
def hostile_objects(tmp_path: Path, configured: Callable[[str], Path]) -> dict[str, str]:
    """The environment of a user whose objects have such names."""
    folder = tmp_path / "disk" / "photos"
    folder.mkdir(parents=True)
    for name in (*HOSTILE.values(), COLON):
        (folder / name).write_text("content")
    file = configured(
        f'[profiles.disk]\nprovider = "local"\nservice = "storage"\npath = "{tmp_path / "disk"}"\n'
    )
    return {"POLYCLOUD_CONFIG": str(file)}


class Shell:
    """A shell in which the command writes down its last argument, and does nothing else."""

    def __init__(
        self, shell: str, folder: Path, terminal: Callable[..., Any], run: Run, variables: dict[str, str]
    ) -> None:
        if shutil.which(shell) is None:
            pytest.skip(f"{shell} is not installed")
        self._received, self._pwned = folder / "received", folder / "pwned"
        command = folder / "bin" / "polycloud"
        command.parent.mkdir()
        command.write_text(
            '#!/bin/sh\nif [ -n "$_POLYCLOUD_COMPLETE" ]; then\n'
            f'  exec {sys.executable} -m polycloud.cli.main "$@"\nfi\n'
            f"printf '%s\\n' \"$3\" >>{self._received}\n"
        )
        command.chmod(0o755)
        (folder / "script").write_text(run(_POLYCLOUD_COMPLETE=f"source_{shell}").stdout)
        self._started = terminal(
            program=("sh", "-c", f'cd {folder} && exec "$@"', "sh", *STARTS[shell]),
            columns=300,
            HOME=str(folder),
            PWNED=str(self._pwned),
            PATH=f"{command.parent}:{os.environ['PATH']}",
            **variables,
        )
        self._started.type(f"{PREPARE[shell]}\r")
        self._started.until("READY> ")

    def complete(self, line: str, end: str, wait_for: Callable[..., None]) -> str:
        """Type a line, TAB and, when the text `end` is there, Enter; what the command gets."""
        before = len(self.received())
        self._started.type(f"{line}\t")
        self._started.until(end)
        self._started.type("\r")
        wait_for(lambda: len(self.received()) > before)
        return self.received()[-1]

    def received(self) -> list[str]:
        return self._received.read_text().splitlines() if self._received.exists() else []

    @property
    def was_harmed(self) -> bool:
        return self._pwned.exists()


@pytest.mark.campaign
@pytest.mark.parametrize("shell", STARTS)
def test_a_shell_runs_no_name(
    terminal: Callable[..., Any],
    run: Run,
    hostile: dict[str, str],
    wait_for: Callable[..., None],
    tmp_path: Path,
    shell: str,
) -> None:
    """In a real shell each completed name reaches the command as it is, and nothing of it is run."""
    started = Shell(shell, tmp_path, terminal, run, hostile)
    for key, name in HOSTILE.items():
        assert started.complete(f"polycloud nodes stop {key}", f"-end-{key}", wait_for) == name
    assert not started.was_harmed


@pytest.mark.campaign
@pytest.mark.parametrize("shell", STARTS)
def test_a_shell_runs_no_object(
    terminal: Callable[..., Any],
    run: Run,
    hostile_objects: dict[str, str],
    wait_for: Callable[..., None],
    tmp_path: Path,
    shell: str,
) -> None:
    """In a real shell the completed name of an object, too, is what the command gets, and nothing runs."""
    started = Shell(shell, tmp_path, terminal, run, hostile_objects)
    for key, name in {**HOSTILE, "h": COLON}.items():
        line = f"polycloud storage cat disk:photos/{key}"
        assert started.complete(line, f"-end-{key}", wait_for) == f"disk:photos/{name}"
    assert not started.was_harmed


def test_powershell_quotes() -> None:
    """PowerShell gets a name with special characters in quotes, and each kind of its quotes doubled."""
    assert shells.SHELLS["pwsh"]([("web-1", "")]) == ("web-1::: ", 0)
    assert shells.SHELLS["pwsh"]([("$(x)", "a")]) == ("'$(x)':::a", 0)
    assert shells.SHELLS["pwsh"]([("it's\u2019", "")]) == ("'it''s\u2019\u2019'::: ", 0)
