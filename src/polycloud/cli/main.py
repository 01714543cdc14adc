"""The entry point of the command `polycloud`."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import sys
from typing import IO, NoReturn

from polycloud.cli.statuses import FAILED, INTERRUPTED, TERMINATED
from polycloud.version import __version__

__all__ = ["main", "run"]

QUESTION, COMPLETE = "_POLYCLOUD_COMPLETE", "complete_"
"""The variable by which a shell's script asks, and how a question for offers begins."""


def main() -> None:
    """Run the command line as the last of this process, which ends sooner than after `run`."""
    try:
        run()
    finally:
        gc.freeze()  # else Python searches all objects for garbage again before it ends


def run() -> None:
    """Run the command line and exit.

    0: success, 1: failure, 2: wrong call, 3: not found, 130: interrupted, 143: terminated.
    """
    _prepare()
    printed = sys.stdout  # Typer replaces it when a reader goes away
    try:
        _run()
    except SystemExit as end:
        if end.code in {INTERRUPTED, TERMINATED}:
            _exit_at_once(end.code)
        _flush(printed)
        raise
    except OSError as error:
        if "--debug" in sys.argv:
            raise
        _give_up(error, printed)


def _run() -> NoReturn:
    """Run a command. The version, and what a shell has asked for lately, need no Typer, which is slow."""
    if sys.argv[1:] == ["--version"]:
        print(f"polycloud {__version__}")  # noqa: T201 - the result
        sys.exit()
    if os.environ.get(QUESTION, "").startswith(COMPLETE):
        from polycloud.cli.offers import answer

        sys.exit(answer(os.environ[QUESTION].removeprefix(COMPLETE), _run_typer))
    _run_typer({})


def _run_typer(question: dict[str, str]) -> NoReturn:
    """Run the command line, or answer the question that a shell's script asks with these variables."""
    os.environ |= question
    try:
        import rich  # noqa: F401 - commands import it later, where the error would be a traceback

        from polycloud.cli.app import app
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in {"rich", "typer"}:
            raise
        sys.exit("the command polycloud requires: pip install 'polycloud[cli]'")
    app(prog_name="polycloud")
    sys.exit()


def _prepare() -> None:
    """Make the streams accept every text: a closed one discards it, other encodings escape characters."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
        setattr(sys, name, stream)
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _flush(printed: IO[str]) -> None:
    """Print buffered output."""
    try:
        printed.flush()
    except OSError as error:
        _give_up(error, printed)


def _give_up(error: OSError, printed: IO[str]) -> NoReturn:
    """End with 1, without the output that cannot be written; without a message if the reader went away."""
    with contextlib.suppress(OSError):
        printed.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), printed.fileno())
    if isinstance(error, BrokenPipeError):
        sys.exit(FAILED)
    from polycloud.cli.output import fail, reason

    fail(reason(error))


def _exit_at_once(status: int) -> None:
    """Exit at once: an interrupted command does not wait for the requests of its threads."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
