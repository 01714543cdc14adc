"""The entry point of the command `polycloud`."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import IO, NoReturn

from polycloud.cli.output import FAILED, INTERRUPTED, fail, reason

__all__ = ["run"]


def run() -> None:
    """Run the command line and exit: 0 success, 1 failure, 2 wrong call, 3 not found, 130 interrupted."""
    _prepare()
    printed = sys.stdout  # Typer replaces it when a reader goes away
    try:
        import rich  # noqa: F401 - commands import it later, where the error would be a traceback

        from polycloud.cli.app import DEBUG, app
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in {"rich", "typer"}:
            raise
        sys.exit("the command polycloud requires: pip install 'polycloud[cli]'")
    try:
        app(prog_name="polycloud")
    except SystemExit as end:
        if end.code == INTERRUPTED:
            _exit_at_once()
        _flush(printed)
        raise
    except OSError as error:
        if DEBUG in sys.argv:
            raise
        _give_up(error, printed)


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
    fail(reason(error))


def _exit_at_once() -> None:
    """Exit at once: an interrupted command does not wait for the requests of its threads."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    run()
