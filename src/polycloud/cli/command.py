"""The class of the commands: what all of them have in common, beyond Typer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from polycloud.cli.accounts import overrides

__all__ = ["App", "Command"]

ACCOUNT = {"profile", "provider"}
"""The parameters that choose an account."""
REGION = "A region instead of the account's own."
URL = "The address of the API, such as that of a sandbox; for one account."
GIVEN = "polycloud.given"
"""Where a command keeps its options as they were typed, for its help."""


class App(typer.Typer):
    """Commands of the class `Command`."""

    def command(self, name: str | None = None, **settings: Any) -> Any:
        """As in Typer."""
        return super().command(name, **{"cls": Command, **settings})


class Command(TyperCommand):
    """A command: an option is given once, and one that has accounts takes `--region` and `--url` for them."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        names = [param.name for param in self.params]
        if ACCOUNT.issubset(names):
            at = names.index("provider") + 1
            self.params[at:at] = _account_params()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse `args`; refuse an option that is repeated, of which Typer would take the last."""
        if not ctx.resilient_parsing and args:
            given, _, order = self.make_parser(ctx).parse_args(args=list(args))
            ctx.meta[GIVEN] = given
            for param, times in Counter(order).items():
                if times > 1 and not getattr(param, "multiple", False) and param.nargs == 1:
                    name = param.opts[0]
                    ctx.fail(f"{name} was given {times} times; this command takes one")
        return super().parse_args(ctx, args)

    def more_help(self, given: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]]]:
        """Return the title and the lines of another section of the help, if what was given has one."""
        return "", []

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the section of `more_help`."""
        title, lines = self.more_help(ctx.meta.get(GIVEN, {}))
        if lines:
            with formatter.section(title):
                formatter.write_dl(lines)
        super().format_epilog(ctx, formatter)


def _override(name: str, metavar: str, text: str) -> Any:
    """An option whose value is for the drivers of the command's accounts."""

    def note(value: str | None) -> None:
        if value:
            overrides[name] = value

    return typer.Option(metavar=metavar, help=text, callback=note, expose_value=False)


@cache
def _account_params() -> list[Any]:
    def params(
        *,
        region: Annotated[str | None, _override("region", "NAME", REGION)] = None,
        url: Annotated[str | None, _override("url", "URL", URL)] = None,
    ) -> None:
        pass

    app = typer.Typer(add_completion=False)
    app.command()(params)
    return list(typer.main.get_command(app).params)
