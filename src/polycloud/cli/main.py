"""The entry point of the command `polycloud`."""

from __future__ import annotations

import sys

__all__ = ["run"]


def run() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrongly called, 130 interrupted."""
    try:
        from polycloud.cli.app import app
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in {"rich", "typer"}:
            raise
        sys.exit("the command polycloud needs: pip install 'polycloud[cli]'")
    app(prog_name="polycloud")


if __name__ == "__main__":
    run()
