from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

LIBCLOUD = ("-m", "polycloud.libcloud")
SHOWS = """\
import os, pickle, sys

class Own:
    pass

if __name__ == "__main__":
    assert isinstance(pickle.loads(pickle.dumps(Own())), Own)
    known = ("__file__", "__cached__", "__doc__", "__package__", "__spec__")
    print(sys.argv, sys.path[0], {name: globals().get(name) for name in known}, os.getcwd())
    print(sys.stdin.readline())
"""
INTERRUPTED = "raise KeyboardInterrupt"
EXITS = {
    "import sys; sys.exit(7)": 7,
    "import sys; sys.exit('sorry')": 1,
    INTERRUPTED: -signal.SIGINT,
    "x = (": 1,
    "def f():\n    raise ValueError('no')\n\nf()\n": 1,
    "import atexit; atexit.register(print, 'bye'); 1 / 0": 1,
    "import sys; sys.excepthook = lambda *a: print('hook', a[1]); 1 / 0": 1,
}


def run(*command: str, folder: Path, stdin: str = "") -> tuple[int, str, str]:
    """Return the exit status, and what was printed, of `python` with these arguments."""
    done = subprocess.run(
        [sys.executable, *command],
        input=stdin,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with programs."""
    (tmp_path / "shows.py").write_text(SHOWS)
    (tmp_path / "asks.py").write_text("import libcloud\nprint(libcloud.__version__)\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__main__.py").write_text(
        "from libcloud.dns.types import Provider\nprint(Provider.ROUTE53)"
    )
    return tmp_path


@pytest.mark.parametrize("command", [("shows.py", "-m", "a"), ("-c", SHOWS, "-x", "b"), ("-", "c")])
def test_a_program_is_run_as_python_runs_it(folder: Path, command: tuple[str, ...]) -> None:
    """Arguments, path, names of `__main__`, pickles and stdin are what they are without the alias."""
    stdin = SHOWS if command[0] == "-" else "a line\n"
    plainly = run(*command, folder=folder, stdin=stdin)
    assert plainly[0] == 0
    assert run(*LIBCLOUD, *command, folder=folder, stdin=stdin) == plainly


def test_a_module_is_run_as_python_runs_it(folder: Path) -> None:
    """`-m` takes modules and packages, from the current folder too."""
    code, printed, _ = run(*LIBCLOUD, "-m", "shows", "-q", folder=folder, stdin="a line\n")
    assert (code, printed.splitlines()[1]) == (0, "a line")
    assert printed.startswith(str([str(folder / "shows.py"), "-q"]))
    assert run(*LIBCLOUD, "-mpackage", folder=folder) == (0, "route53\n", "")
    assert run(*LIBCLOUD, "package", folder=folder) == (0, "route53\n", "")


@pytest.mark.parametrize("source", EXITS)
def test_exits_and_tracebacks(folder: Path, source: str) -> None:
    """The exit status and the traceback are Python's, without lines of polycloud; so is a hook's output."""
    (folder / "fails.py").write_text(source)
    code, printed, shown = run("fails.py", folder=folder)
    assert code == EXITS[source]
    found = run(*LIBCLOUD, "fails.py", folder=folder)
    assert found[:2] == (code, printed)
    if source != INTERRUPTED:
        assert found[2] == shown


def test_libcloud_is_polycloud(folder: Path) -> None:
    """The program's `libcloud` is polycloud, without a change to it."""
    assert run(*LIBCLOUD, "asks.py", folder=folder) == (0, "3.9.1\n", "")
    code, _, shown = run(*LIBCLOUD, "-c", "from libcloud import container", folder=folder)
    assert code == 1
    assert "client of Docker" in shown


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        ((), 2, "usage: python -m polycloud.libcloud"),
        (("-m",), 2, "Argument expected for the -m option"),
        (("-z", "asks.py"), 2, "Unknown option: -z"),
        (("nothing.py",), 2, "can't open file"),
        (("-m", "no.such"), 1, "No module named no.such"),
        (("-h",), 0, ""),
    ],
)
def test_wrong_commands(folder: Path, command: tuple[str, ...], status: int, words: str) -> None:
    """A command that names no program fails with Python's words and status; `-h` shows the usage."""
    code, printed, shown = run(*LIBCLOUD, *command, folder=folder)
    assert code == status
    assert words in shown
    assert bool(printed) == (status == 0)


def test_the_pytest_plugin(tmp_path: Path) -> None:
    """`pytest -p polycloud.libcloud.pytest_plugin` works before any conftest.py is imported, and says so."""
    (tmp_path / "conftest.py").write_text("import libcloud.compute.types as found\n")
    (tmp_path / "test_own.py").write_text(
        "import polycloud.compute.types, conftest\n"
        "def test_it():\n    assert conftest.found is polycloud.compute.types\n"
    )
    plugins = ("-p", "polycloud.libcloud.pytest_plugin", "-p", "no:xdist", "-p", "no:cacheprovider")
    code, printed, _ = run("-m", "pytest", *plugins, "--rootdir=.", ".", folder=tmp_path)
    assert code == 0, printed
    assert "with the interface of Libcloud 3.9.1" in printed
    assert "1 passed" in printed


def test_the_pytest_plugin_beside_libcloud_itself(tmp_path: Path) -> None:
    """If another plugin has imported a `libcloud` before, pytest ends with the reason."""
    (tmp_path / "early.py").write_text("import sys\nsys.modules['libcloud'] = sys\n")
    plugins = ("-p", "early", "-p", "polycloud.libcloud.pytest_plugin", "-p", "no:xdist")
    code, _, shown = run("-m", "pytest", *plugins, "--rootdir=.", ".", folder=tmp_path)
    assert code != 0
    assert "before anything imports libcloud" in shown
