"""The table of commands, their common options, and the exit status of errors.

A command's module is imported when the command is called or completed, so the others cost nothing.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from polycloud.cli import completion, output, values
from polycloud.cli.offers import forget
from polycloud.cli.statuses import TERMINATED
from polycloud.version import __version__

__all__ = ["COMMANDS", "DEBUG", "app", "load"]

DEBUG = "--debug"
COMMANDS = {
    "nodes": "Servers: list, create, deploy, stop, destroy them.",
    "sizes": "Sizes of nodes, and what they cost.",
    "images": "Images that nodes start from.",
    "locations": "Places where nodes can be.",
    "keys": "SSH keys of the account.",
    "volumes": "Block volumes: list, create, attach, destroy them.",
    "storage": "Objects and containers: list, copy, sync, delete them.",
    "dns": "Zones and records: list, change, export, import, copy them.",
    "lb": "Load balancers and members: list, create, change them.",
    "profiles": "Your accounts in the configuration.",
    "prices": "Compare sizes of several accounts by price.",
    "inventory": "Print the nodes as an inventory for other tools.",
    "shell": "Open a Python prompt with connected drivers.",
    "demo": "Walk through a server's life.",
    "sandbox": "Run a small cloud on this machine.",
    "providers": "Show the operations of each provider's drivers.",
    "new-driver": "Write the package of a driver for another provider.",
    "check-program": "Check programs that were written for Libcloud.",
    "conform": "Check a driver against the rules of every driver.",
}
"""The summaries of the commands; a command is the `app` of the module `polycloud.cli.commands.NAME`."""


def load(name: str) -> Any:
    """Import a command; one with subcommands has its summary as help."""
    module = import_module(f"polycloud.cli.commands.{name.replace('-', '_')}")
    command = typer.main.get_command(module.app)
    command.name, command.help = name, command.help or COMMANDS[name]
    return command


class Commands(TyperGroup):
    """Commands that are imported on demand, and whose known errors end as one line."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse `args`; `--debug` is accepted after the command too, where users append it."""
        debug = [DEBUG] if DEBUG in args else []
        rest: list[str] = super().parse_args(ctx, debug + [text for text in args if text != DEBUG])
        return rest

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command that `args` call, and import it."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in COMMANDS:
            command = load(name)
        return name, command, rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command. With `--debug` an error is not caught, so that Python shows the traceback."""
        from polycloud.errors import PolycloudError

        try:
            with _terminable():
                return super().invoke(ctx)
        except PolycloudError as error:
            if ctx.params["debug"]:
                raise
            output.fail(output.reason(error), getattr(error, "__notes__", ()), _status(error))
        except KeyboardInterrupt as interruption:
            terminated = isinstance(interruption, Terminated)
            word, status = ("terminated", TERMINATED) if terminated else ("interrupted", output.INTERRUPTED)
            output.fail(word, getattr(interruption, "__notes__", ()), status)
        finally:
            forget()


class Terminated(KeyboardInterrupt):
    """A SIGTERM, which ends the command as Ctrl-C does: it says what exists."""


@contextmanager
def _terminable() -> Iterator[None]:
    """Raise `Terminated` on a SIGTERM that would end the process."""

    def terminate(*_: object) -> None:
        raise Terminated

    before = signal.getsignal(signal.SIGTERM)
    if before is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _status(error: Exception) -> int:
    """The exit status for an error."""
    from polycloud.compute.types import KeyPairDoesNotExistError
    from polycloud.config import ConfigError
    from polycloud.errors import InvalidArgumentError, NotFoundError, UnknownProviderError

    if isinstance(error, NotFoundError | KeyPairDoesNotExistError):
        return output.NOT_FOUND
    wrong_call = isinstance(error, InvalidArgumentError | ConfigError | UnknownProviderError)
    return output.WRONG_CALL if wrong_call else output.FAILED


completion.prepare_typer()
values.spare_validators()

# Plain help and usage errors read the same at a terminal, in a file and by a screen reader; and Typer's own
# tracebacks show local variables, credentials among them.
app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"polycloud {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    *,
    debug: Annotated[bool, typer.Option(DEBUG, help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """One Python API for every cloud."""


def _placeholder() -> None:
    """A placeholder until the command is imported."""


for _name, _summary in COMMANDS.items():
    app.command(_name, help=_summary)(_placeholder)
