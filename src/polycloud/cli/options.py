"""What commands have in common at the shell: how Typer is set up, and options and arguments by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from polycloud.cli import completion

__all__ = [
    "Columns",
    "Csv",
    "Deadline",
    "DryRun",
    "Every",
    "Filters",
    "IdempotencyKey",
    "ImageName",
    "Json",
    "KeyFile",
    "Limit",
    "LocationName",
    "NewName",
    "NodeName",
    "NodeNames",
    "Profile",
    "Profiles",
    "Provider",
    "Reverse",
    "SizeName",
    "Sort",
    "Tags",
    "Timeout",
    "Yes",
    "group",
    "single",
]

# The accounts

Profile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        "-p",
        metavar="NAME",
        help="The account, by its name in the configuration.",
        autocompletion=completion.profiles,
    ),
]
Profiles = Annotated[
    list[str] | None,
    typer.Option(
        "--profile",
        "-p",
        metavar="NAME",
        help="The account, by its name in the configuration; may be given again.",
        autocompletion=completion.profiles,
    ),
]
Provider = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Instead of a profile: a provider, with the credentials of the environment.",
        autocompletion=completion.providers,
    ),
]
Every = Annotated[bool, typer.Option("--all", help="All accounts of the configuration.")]
Deadline = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Give accounts up that have not answered by then.")
]

# What is printed

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
Columns = Annotated[str | None, typer.Option(metavar="A,B", help="These columns only, in this order.")]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter", metavar="COLUMN=PATTERN", help="Such as name=web* or state=running; all given must hold."
    ),
]
Sort = Annotated[str | None, typer.Option(metavar="COLUMN", help="Order by this column.")]
Reverse = Annotated[bool, typer.Option("--reverse", help="The other way round.")]
Limit = Annotated[int | None, typer.Option(metavar="NUMBER", min=0, help="So many at most.")]

# What is changed

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Timeout = Annotated[float, typer.Option(metavar="SECONDS", min=0, help="How long to wait.")]
IdempotencyKey = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="The same text gives the same node, however often it is run."),
]

# Nodes and what they are made from

NodeName = Annotated[
    str, typer.Argument(metavar="NODE", help="Its id or name.", autocompletion=completion.nodes)
]
NodeNames = Annotated[
    list[str], typer.Argument(metavar="NODE...", help="Ids or names.", autocompletion=completion.nodes)
]
NewName = Annotated[str, typer.Option("--name", metavar="NAME", help="What to call it.")]
SizeName = Annotated[
    str,
    typer.Option(
        "--size",
        metavar="SIZE",
        help="Id or name of a size, or its beginning.",
        autocompletion=completion.sizes,
    ),
]
ImageName = Annotated[
    str,
    typer.Option(
        "--image",
        metavar="IMAGE",
        help="Id or name of an image, or its beginning.",
        autocompletion=completion.images,
    ),
]
LocationName = Annotated[
    str | None,
    typer.Option(
        "--location",
        metavar="LOCATION",
        help="Id or name of a location, or its beginning.",
        autocompletion=completion.locations,
    ),
]
Tags = Annotated[
    list[str] | None, typer.Option("--tag", metavar="TAG", help="Tag the node; may be given again.")
]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", help="The SSH key that is let in: a private key, or a public one."),
]

SETTINGS: dict[str, Any] = {
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "add_completion": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


def group(help: str) -> typer.Typer:
    """Several commands under one noun."""

    def common() -> None:
        pass

    made = typer.Typer(no_args_is_help=True, help=help, **SETTINGS)
    made.callback()(common)
    return made


def single(command: Callable[..., Any]) -> typer.Typer:
    """One command."""
    made = typer.Typer(**SETTINGS)
    made.command()(command)
    return made
