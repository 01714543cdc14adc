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
    """Run the command line and exit: 0 done, 1 failed, 2 wrongly called, 3 not found, 130 interrupted."""
    _prepare()
    printed = sys.stdout  # Typer puts another one there when a reader goes away
    try:
        import rich  # noqa: F401 - commands import it later, where nobody could say this

        from polycloud.cli.app import DEBUG, app
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in {"rich", "typer"}:
            raise
        sys.exit("the command polycloud needs: pip install 'polycloud[cli]'")
    try:
        app(prog_name="polycloud")
    except SystemExit as end:
        if end.code == INTERRUPTED:
            _leave()
        _hand_over(printed)
        raise
    except OSError as error:
        if DEBUG in sys.argv:
            raise
        _give_up(error, printed)


def _prepare() -> None:
    """Have streams that take every text: what is closed goes nowhere, what an encoding lacks is escaped."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
        setattr(sys, name, stream)
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _hand_over(printed: IO[str]) -> None:
    """Print what is left to print."""
    try:
        printed.flush()
    except OSError as error:
        _give_up(error, printed)


def _give_up(error: OSError, printed: IO[str]) -> NoReturn:
    """End with 1, and without what cannot be printed; a reader that went away has no more to be told."""
    with contextlib.suppress(OSError):
        printed.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), printed.fileno())
    if isinstance(error, BrokenPipeError):
        sys.exit(FAILED)
    fail(reason(error))


def _leave() -> None:
    """End at once: an interrupted command does not wait for the answers that its threads wait for."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    run()
