from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from polycloud.libcloud.instead import NOTHING

Run = Callable[..., subprocess.CompletedProcess[str]]
PAGE = (Path(__file__).parents[2] / "docs/migrating.md").read_text(encoding="utf-8")
LACKING = "from libcloud.compute.types import Provider, NodeState\nProvider.GCE\nimport libcloud.container\n"


def test_the_example_of_the_page(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program of docs/migrating.md has the findings below it, and a summary."""
    [program] = re.findall(r"^```py\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    [printed] = re.findall(r"^\$ polycloud check-program .*\n((?:[^`].*\n)*)", PAGE, re.MULTILINE)
    (tmp_path / "backup.py").write_text(program)
    monkeypatch.chdir(tmp_path)
    done = run("check-program", "backup.py")
    assert done.stdout == printed
    assert (done.stderr, done.returncode) == ("", 1)


@pytest.mark.parametrize(
    ("program", "status", "last"),
    [
        (
            LACKING,
            1,
            "4 names of Libcloud used in 1 of 1 files: 2 the same, 1 only over the bridge, 1 missing",
        ),
        ("import libcloud.security as s\ns.VERIFY_SSL_CERT = 0\n", 0, "1 the same, 1 differs"),
        (
            "from libcloud.compute.base import Node\n",
            0,
            "1 name of Libcloud used in 1 of 1 files: 1 the same",
        ),
        ("import os\n", 0, "no names of Libcloud are used; 1 program was read"),
    ],
)
def test_the_summary_and_the_exit_status(run: Run, program: str, status: int, last: str) -> None:
    """The last line counts names by verdict; the exit status is 1 only if one is lacking."""
    done = run("check-program", "-", input=program)
    assert done.stdout.splitlines()[-1].endswith(last)
    assert (done.stderr, done.returncode) == ("", status)


def test_json(run: Run) -> None:
    """With --json the whole report is one JSON object."""
    done = run("check-program", "--json", "-", input=LACKING)
    report = json.loads(done.stdout)
    assert report["names"] == {"same": 2, "differs": 0, "bridge": 1, "missing": 1}
    assert report["findings"][1] == {
        "path": "<stdin>",
        "line": 3,
        "column": 8,
        "name": "libcloud.container",
        "verdict": "missing",
        "note": f"{NOTHING}: use the client of Docker, Kubernetes, LXD or the provider",
    }
    assert (report["files"], report["using_libcloud"], report["not_seen"], report["not_checked"]) == (
        1,
        1,
        [],
        [],
    )
    assert done.returncode == 1


def test_a_table_at_a_terminal(at_terminal: Callable[..., str], tmp_path: Path) -> None:
    """At a terminal the findings are a table, in which verdicts have colours."""
    (tmp_path / "a.py").write_text(LACKING)
    sent = at_terminal("check-program", str(tmp_path / "a.py"), status=1)
    assert "╭" in sent
    assert re.search(r"\x1b\[[0-9;]*31mmissing", sent)


@pytest.mark.parametrize("arguments", [(), ("nosuch.py",), ("-", "-"), ("-", "--nosuch")])
def test_wrong_calls(run: Run, arguments: tuple[str, ...]) -> None:
    """A call without a path, with one of nothing or with an unknown option exits with 2."""
    done = run("check-program", *arguments)
    assert (done.returncode, done.stdout) == (2, "")


def test_a_file_that_cannot_be_checked(run: Run, tmp_path: Path) -> None:
    """A file that cannot be checked is named on stderr with its reason, and the exit status is 1."""
    file = tmp_path / "old.py"
    file.write_text("import libcloud\nprint libcloud\n")
    done = run("check-program", str(file))
    reason = "is a program for Python 2 (a print statement): convert it to Python 3 first, such as with 2to3"
    assert (done.stderr, done.returncode) == (f"{file}:2: not checked: {reason}\n", 1)


def test_control_characters_are_not_printed(run: Run, tmp_path: Path) -> None:
    """Control characters in the names of files do not reach the terminal."""
    file = tmp_path / "a\x1b[31m\u202e.py"
    file.write_text("import libcloud.container\n")
    done = run("check-program", str(file))
    assert done.stdout.replace("\n", "").isprintable()
    assert done.returncode == 1
    assert "\x1b" not in run("check-program", "--json", str(file)).stdout
