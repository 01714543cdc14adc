"""The entry point of the command `polycloud`."""

from __future__ import annotations

import contextlib
import os
import sys

from polycloud.cli.output import FAILED, INTERRUPTED

__all__ = ["run"]


def run() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrongly called, 3 not found, 130 interrupted."""
    try:
        import rich  # noqa: F401 - commands import it later, where nobody could say this

        from polycloud.cli.app import app
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in {"rich", "typer"}:
            raise
        sys.exit("the command polycloud needs: pip install 'polycloud[cli]'")
    try:
        app(prog_name="polycloud")
    except SystemExit as end:
        if end.code == INTERRUPTED:
            _leave()
        _hand_over()
        raise


def _hand_over() -> None:
    """Print what is left to print; a reader that went away has no more to be told."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)


def _leave() -> None:
    """End at once: an interrupted command does not wait for the answers that its threads wait for."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    run()
