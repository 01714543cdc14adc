"""The commands together, their common options, and how errors end."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from polycloud import __version__
from polycloud.cli import demo, output, providers, sandbox
from polycloud.common.types import PolycloudError

__all__ = ["app"]


class Commands(TyperGroup):
    """Commands whose known errors end as one line instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command. With `--debug` an error passes through, and Python shows where it came from."""
        try:
            return super().invoke(ctx)
        except PolycloudError as error:
            if ctx.params["debug"]:
                raise
            output.fail(f"{type(error).__name__}: {error}", getattr(error, "__notes__", ()))


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
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """One Python API for every cloud."""


app.command("demo")(demo.demo)
app.command("sandbox")(sandbox.sandbox)
app.command("providers")(providers.providers)
