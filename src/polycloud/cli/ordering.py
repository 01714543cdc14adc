"""The options of commands that order nodes, which become one `Order`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from polycloud.cli import accounts, completion, options
from polycloud.cli.bundles import takes
from polycloud.cli.command import Command
from polycloud.cli.nouns import IMAGES, KEYS, LOCATIONS, NODES, SIZES

__all__ = ["OrderCommand", "takes_order"]

Size = Annotated[str | None, options.choice(SIZES)]
Image = Annotated[str | None, options.choice(IMAGES)]
Location = Annotated[str | None, options.choice(LOCATIONS)]
Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="KEY",
        help="The SSH key for logging in: a file, private or public, or the name of a key of the account.",
        autocompletion=completion.of(KEYS),
    ),
]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag; may be repeated.")]
UserData = Annotated[
    Path | None,
    typer.Option("--user-data", metavar="FILE", help="A script or cloud-config for the first boot."),
]
SecurityGroups = Annotated[
    list[str] | None,
    typer.Option("--security-group", metavar="GROUP", help="A security group or firewall; may be repeated."),
]
Networks = Annotated[
    list[str] | None,
    typer.Option(
        "--network",
        metavar="NETWORK",
        help="Id of a network, or its name at OpenStack; at Amazon, the id of a subnet.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="What the provider has beyond; --help with a profile lists the names. May be repeated.",
    ),
]
Count = Annotated[
    int, typer.Option(metavar="NUMBER", min=1, max=1000, help="So many nodes: NAME-1, NAME-2 and so on.")
]
IdempotencyKey = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="A command that is repeated with the same text creates one node only."),
]


def _options(
    *,
    name: options.NewName,
    size: Size = None,
    image: Image = None,
    location: Location = None,
    key: Key = None,
    tags: Tags = None,
    user_data: UserData = None,
    security_groups: SecurityGroups = None,
    networks: Networks = None,
    settings: Settings = None,
    count: Count = 1,
    idempotency_key: IdempotencyKey = None,
) -> None:
    """Has the options of an order as its parameters; their names are those of the fields of `Order`."""


class OrderCommand(Command):
    """A command whose help lists what `--set` takes for the account's driver."""

    def more_help(self, given: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]]]:
        """The title and the lines of another section of the help; nothing without an account."""
        from polycloud.cli import extras

        kind = accounts.driver_class(NODES.service, given.get("profile"), given.get("provider"))
        return (f"--set for {kind.name}", extras.described(kind)) if kind else ("", [])


def _order(**given: Any) -> Any:
    from polycloud.cli import orders

    return orders.Order(**{name: value for name, value in given.items() if value is not None})


takes_order = takes(order=(_options, _order))
"""Give a command the options of an order; its parameter `order` is what they become."""
