"""Options and arguments that several commands have, and the settings of Typer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polycloud.cli import completion
from polycloud.cli.command import App, Command
from polycloud.cli.listing import Format

if TYPE_CHECKING:
    from polycloud.cli.resources import Noun

__all__ = [
    "Columns",
    "Csv",
    "Deadline",
    "DryRun",
    "Every",
    "Filters",
    "Json",
    "Limit",
    "NewName",
    "NoHeader",
    "Output",
    "Profile",
    "Profiles",
    "Provider",
    "Reverse",
    "SafeCsv",
    "Sort",
    "Timeout",
    "Yes",
    "argument",
    "arguments",
    "choice",
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
        help="The profile of the account.",
        autocompletion=completion.profiles,
    ),
]
Profiles = Annotated[
    list[str] | None,
    typer.Option(
        "--profile",
        "-p",
        metavar="NAME",
        help="The profile of an account; may be repeated.",
        autocompletion=completion.profiles,
    ),
]
Provider = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="A provider instead of a profile, with credentials from the environment.",
        autocompletion=completion.providers,
    ),
]
Every = Annotated[bool, typer.Option("--all", help="All accounts of the configuration.")]
Deadline = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Give up accounts that have not responded by then.")
]

# Output

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
SafeCsv = Annotated[
    bool,
    typer.Option(
        "--csv-safe",
        help="Print CSV for a spreadsheet: ' before what it would take for a formula. At a terminal always.",
    ),
]
Output = Annotated[
    Format | None,
    typer.Option(
        "--output",
        "-o",
        help="The format; value prints the values only, with a tab between them.",
        show_default=False,
    ),
]
NoHeader = Annotated[bool, typer.Option("--no-header", help="Leave out the names of the columns.")]
Columns = Annotated[
    str | None,
    typer.Option(metavar="A,B", help="Only these columns, in this order; tag:NAME is a tag's value."),
]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="CONDITION",
        help="Such as name=web*, state!=running, ram_mb>1000, tag:env~'prod|test'; all must be met.",
    ),
]
Sort = Annotated[str | None, typer.Option(metavar="COLUMN", help="Sort by this column.")]
Reverse = Annotated[bool, typer.Option("--reverse", help="Reverse the order.")]
Limit = Annotated[int | None, typer.Option(metavar="NUMBER", min=0, help="At most so many.")]

# Changes

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")]
Timeout = Annotated[float, typer.Option(metavar="SECONDS", min=0, help="How long to wait.")]

# Resources

NewName = Annotated[str, typer.Option("--name", metavar="NAME", help="Its name.")]


def argument(noun: Noun) -> Any:
    """The argument for one resource."""
    return typer.Argument(
        metavar=noun.one.upper(), help="Its id or name.", autocompletion=completion.of(noun)
    )


def arguments(noun: Noun) -> Any:
    """The argument for several resources."""
    return typer.Argument(
        metavar=f"{noun.one.upper()}...", help="Ids or names.", autocompletion=completion.of(noun)
    )


def choice(noun: Noun) -> Any:
    """The option `--NOUN`, for a resource that may be named by the beginning of its id or name."""
    article = "an" if noun.one[0] in "aeiou" else "a"
    return typer.Option(
        f"--{noun.one}",
        metavar=noun.one.upper(),
        help=f"Id or name of {article} {noun.one}, or its beginning.",
        autocompletion=completion.of(noun),
    )


# Commands

SETTINGS: dict[str, Any] = {
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "add_completion": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


def group() -> typer.Typer:
    """A command with subcommands."""

    def common() -> None:
        pass

    made = App(no_args_is_help=True, **SETTINGS)
    made.callback()(common)
    return made


def single(command: Callable[..., Any], kind: type[Command] = Command) -> typer.Typer:
    """A command without subcommands."""
    made = App(**SETTINGS)
    made.command(cls=kind)(command)
    return made
