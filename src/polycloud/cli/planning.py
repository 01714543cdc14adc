"""The options of plans of zones, which become one `Rules` and one `Limits`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from polycloud.cli import bundles, serving
from polycloud.errors import InvalidArgumentError

__all__ = ["takes_execution", "takes_import_rules", "takes_rules"]

Only = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Only names such as www, @, '*.dev' or '*/TXT'; may be repeated."),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Leave such names as they are; may be repeated."),
]
Unsupported = Annotated[
    bool, typer.Option("--skip-unsupported", help="Leave out types that the provider does not have.")
]
Lenient = Annotated[bool, typer.Option("--lenient", help="Let problems of the wanted zone pass, as notes.")]
Force = Annotated[bool, typer.Option("--force", help="Make a plan whatever part of a zone it changes.")]


def _part(what: str) -> Any:
    text = f"The part of a zone's records that may be {what}; 0.3 by default."
    return typer.Option(metavar="PART", min=0, max=1, help=text)


def _import_options(
    *,
    only: Only = None,
    ignore: Ignore = None,
    skip_unsupported: Unsupported = False,
    lenient: Lenient = False,
) -> None:
    """Has the options of an import as its parameters."""


def _plan_options(
    *,
    apex: Annotated[bool, typer.Option("--apex", help="Change SOA and NS of the zone itself too.")] = False,
    only: Only = None,
    ignore: Ignore = None,
    owner: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Change only records that this owner has created, and mark them."),
    ] = None,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Let the owner take over wanted records that nobody owns.")
    ] = False,
    skip_unsupported: Unsupported = False,
    lenient: Lenient = False,
) -> None:
    """Has the options of a plan as its parameters."""


def _rules(*, only: list[str] | None, ignore: list[str] | None, **others: Any) -> Any:
    from polycloud.cli.zoneplans import Rules

    return Rules(only=only or (), ignore=ignore or (), **others)


def _limit_options(
    *,
    most_deleted: Annotated[float | None, _part("deleted")] = None,
    most_updated: Annotated[float | None, _part("updated")] = None,
    force: Force = False,
) -> None:
    """Has the options for the limits of plans as its parameters."""


def _limits(*, force: bool, **given: float | None) -> Any:
    from polycloud.cli.zoneplans import Limits

    parts = {name: part for name, part in given.items() if part is not None}
    if force and parts:
        raise InvalidArgumentError("give either --force or the parts that may be deleted and updated")
    return Limits(1, 1) if force else Limits(**parts)


RULES = (_plan_options, _rules)
takes_rules = bundles.takes(rules=RULES)
"""Give a command the options of a plan; its parameter `rules` is what they become."""
takes_execution = bundles.takes(rules=RULES, limits=(_limit_options, _limits), wait=serving.GROUP)
"""Give a command the options of a plan that is carried out, as `rules`, `limits` and `wait`."""
takes_import_rules = bundles.takes(rules=(_import_options, _rules))
"""Give a command the options of an import, as `rules`."""
