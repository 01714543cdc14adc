"""`polycloud profiles`: the accounts of the configuration, and whether they can be reached."""

from __future__ import annotations

import sys
import time
from getpass import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polycloud.cli import accounts, completion, configfile, listing, options, output
from polycloud.cli.nouns import main_noun
from polycloud.cli.services import all_names
from polycloud.cli.settings import parsed
from polycloud.common.arguments import drop_none
from polycloud.common.driver import credentials_of
from polycloud.common.providers import DriverType
from polycloud.errors import InvalidArgumentError

if TYPE_CHECKING:
    from polycloud.cli.listing import Record
    from polycloud.config import Config

__all__ = ["app"]

app = options.group()

NOT_SECRET = {"api_version", "deadline", "host", "port", "region", "secure", "timeout", "url"}
"""Settings whose values are shown; for all others, their source."""

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="PROFILE...", help="Names of profiles.", autocompletion=completion.profiles),
]


@app.command("list")
def list_(*, as_json: options.Json = False) -> None:
    """List the profiles, and mark the default one."""
    config = accounts.configuration()
    default = _default(config)
    rows = [
        {
            "profile": name,
            "provider": profile.provider,
            "service": profile.service,
            "default": name == default,
        }
        for name, profile in config.profiles.items()
    ]
    if as_json:
        output.json(rows)
        return
    if not rows:
        output.note(f"there are no profiles in {config.file}")
    output.table(
        ["profile", "provider", "service", "default"],
        [
            (row["profile"], row["provider"], row["service"] or "", "default" if row["default"] else "")
            for row in rows
        ],
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
    """Show a profile's settings, and where its secrets are kept."""
    profile = accounts.configuration().profile(name)
    shown: dict[str, Any] = {"provider": profile.provider, "file": str(profile.file)}
    shown |= {"service": profile.service} if profile.service else {}
    shown |= {name: _shown(name, value) for name, value in profile.settings.items()}
    if as_json:
        output.json({"profile": profile.name, **shown})
        return
    output.table(["profile", profile.name], shown.items())


@app.command()
def add(
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name.")],
    provider: Annotated[
        str, typer.Option(metavar="NAME", help="The provider.", autocompletion=completion.providers)
    ],
    service: Annotated[
        DriverType | None,
        typer.Option(help="The service of the account, if it is for one only.", show_default=False),
    ] = None,
    region: Annotated[str | None, typer.Option(metavar="NAME", help="The region of the account.")] = None,
    url: Annotated[str | None, typer.Option(metavar="URL", help="Another address of the API.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Another option of the driver, such as port=8081; a value may be JSON. May be repeated.",
        ),
    ] = None,
    unchecked: Annotated[
        bool, typer.Option("--no-check", help="Write it without asking the provider.")
    ] = False,
) -> None:
    """Ask for credentials, try them, write the profile.

    What you type is hidden. A credential may also be env:NAME, for a variable, or command:LINE, for what a
    program prints; nothing at all leaves it to the environment. Without a terminal each is a line of stdin.
    """
    from polycloud.config import Profile, config_file

    configfile.require_new(name)
    known = _service(provider, service)
    given = {**parsed(settings or ()), **drop_none({"region": region, "url": url})}
    profile = Profile(name, provider, given, config_file(), known)
    for credential in credentials_of(profile.driver()):
        if text := _asked(f"{credential.name} (hidden, or env:NAME, or command:LINE): "):
            given[credential.name] = _source(text)
    if not unchecked:
        with output.asking(name), profile.connect() as driver:
            (found,) = _check(driver)
        output.line("{provider} responds at {address} in {ms} ms".format(**found))
    file = configfile.add(name, drop_none({"provider": provider, "service": known, **given}))
    output.line(f"wrote the profile {name} to {file}")


def _service(provider: str, asked: DriverType | None) -> str | None:
    """The service that a profile is for; None for all of them, if the provider has compute."""
    services = [name for name, names in all_names().items() if provider in names]
    if asked is not None or not services or DriverType.COMPUTE in services:
        return asked
    if len(services) > 1:
        raise InvalidArgumentError(f"give --service: {provider} has {', '.join(services)}")
    return services[0]


def _asked(question: str) -> str:
    """A line that is typed without being shown, or the next one of stdin if that is no terminal."""
    if sys.stdin is not None and sys.stdin.isatty():
        return getpass(question, stream=sys.stderr).strip()
    return (sys.stdin.readline() if sys.stdin else "").strip()


def _source(text: str) -> str | dict[str, str]:
    """A credential as a file has it: the text, or where it comes from."""
    kind, colon, rest = text.partition(":")
    return {kind: rest.strip()} if colon and kind in {"env", "command"} else text


@app.command()
def check(
    *,
    names: Names = None,
    every: options.Every = False,
    deadline: options.Deadline = None,
    as_json: options.Json = False,
) -> None:
    """Connect, and report which accounts respond."""
    if names and every:
        raise InvalidArgumentError("give either names of profiles or --all")
    asked = accounts.connect_all(None, names, None, every=every)
    with output.asking(", ".join(asked)):
        found = listing.ask(asked, _check, deadline)
    rows = found.rows(listing.View())
    if as_json:
        output.json(rows)
    else:
        for row in rows:
            output.line("{account}: {provider} responds at {address} in {ms} ms".format(**row))
    listing.end(found)


def _check(driver: Any) -> list[Record]:
    """List resources, which requires valid credentials, and measure the time."""
    began = time.perf_counter()
    noun = main_noun(driver.service)
    if noun is not None:
        noun.probe(driver)
    passed = round(1000 * (time.perf_counter() - began))
    connection = driver.connection
    return [{"provider": driver.name, "address": f"{connection.host}:{connection.port}", "ms": passed}]


def _default(config: Config) -> str | None:
    from polycloud.config import ConfigError

    try:
        return config.profile().name
    except ConfigError:
        return None


def _shown(name: str, value: Any) -> Any:
    """The value of a setting; its source if it may be secret, as an address with a password is."""
    from polycloud.config import source_of

    is_public = name in NOT_SECRET and not isinstance(value, dict) and "@" not in str(value)
    return value if is_public else source_of(value)
