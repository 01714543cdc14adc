"""`polycloud profiles`: your accounts, as the configuration has them, and whether they answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polycloud.cli import accounts, completion, listing, options, output
from polycloud.errors import InvalidArgumentError

if TYPE_CHECKING:
    from polycloud.compute.base import NodeDriver
    from polycloud.config import Config

__all__ = ["app"]

app = options.group("Your accounts, as the configuration has them.")

NOT_SECRET = {"api_version", "deadline", "host", "port", "region", "secure", "timeout", "url"}
"""Settings whose values are shown; of all others, where they come from."""

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="PROFILE...", help="Names of profiles.", autocompletion=completion.profiles),
]


@app.command("list")
def list_(*, as_json: options.Json = False) -> None:
    """List the profiles. The one that is taken where none is named is marked."""
    config = accounts.configuration()
    default = _default(config)
    rows = [
        {"profile": name, "provider": profile.provider, "default": name == default}
        for name, profile in config.profiles.items()
    ]
    if as_json:
        output.json(rows)
        return
    if not rows:
        output.note(f"there are no profiles in {config.file}")
    output.table(
        ["profile", "provider", "default"],
        [(row["profile"], row["provider"], "default" if row["default"] else "") for row in rows],
    )


@app.command()
def show(
    *,
    name: Annotated[
        str | None,
        typer.Argument(metavar="PROFILE", help="Its name.", autocompletion=completion.profiles),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show a profile's settings. Of secrets it tells where they come from."""
    profile = accounts.configuration().profile(name)
    told = {"provider": profile.provider, "file": str(profile.file)}
    told |= {name: _told(name, value) for name, value in profile.settings.items()}
    if as_json:
        output.json({"profile": profile.name, **told})
        return
    output.table(["profile", profile.name], told.items())


@app.command()
def check(
    *,
    names: Names = None,
    every: options.Every = False,
    deadline: options.Deadline = None,
    as_json: options.Json = False,
) -> None:
    """Connect, and say who answers."""
    if names and every:
        raise InvalidArgumentError("give names of profiles or --all, not both")
    asked = accounts.several(names, None, every=every)
    with output.asking(", ".join(asked)):
        answers = listing.ask(asked, _answer, deadline)
    rows = answers.rows(listing.View())
    if as_json:
        output.json(rows)
    else:
        for row in rows:
            output.line("{account}: {provider} answers at {address} in {ms} ms".format(**row))
    listing.end(answers)


def _answer(driver: NodeDriver) -> list[dict[str, Any]]:
    """Who answers a question that wants credentials."""
    began = time.perf_counter()
    next(iter(driver.iterate_nodes()), None)
    passed = round(1000 * (time.perf_counter() - began))
    connection = driver.connection
    return [{"provider": driver.name, "address": f"{connection.host}:{connection.port}", "ms": passed}]


def _default(config: Config) -> str | None:
    from polycloud.config import ConfigError

    try:
        return config.profile().name
    except ConfigError:
        return None


def _told(name: str, value: Any) -> Any:
    """A setting, or where it comes from, where it may be secret; an address may hold a password."""
    from polycloud.config import source_of

    shown = name in NOT_SECRET and not isinstance(value, dict) and "@" not in str(value)
    return value if shown else source_of(value)
