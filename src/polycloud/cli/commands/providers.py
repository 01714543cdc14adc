"""`polycloud providers`: the operations of each provider's drivers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Annotated

import typer

from polycloud import DriverType, get_driver
from polycloud.cli import options, output
from polycloud.cli.nouns import main_noun, nouns_of
from polycloud.cli.services import provider_names
from polycloud.common.providers import bridged_names

__all__ = ["app", "providers"]

LABEL_WIDTH = 33


@dataclass
class Offer:
    """The operations that one driver offers; `error` says why its class cannot be imported.

    `via` says whose driver it is, if it is not one of polycloud or of a package for it.
    """

    name: str
    title: str = ""
    offers: dict[str, bool] = field(default_factory=dict)
    extensions: list[str] = field(default_factory=list)
    error: str | None = None
    via: str | None = None


def providers(
    *,
    service: Annotated[DriverType | None, typer.Option(help="Only the drivers of this service.")] = None,
    as_json: options.Json = False,
) -> None:
    """Show the operations of each provider's drivers.

    An operation that is not offered raises UnsupportedOperationError before a request is sent.
    """
    found = {
        name: [_offer(name, provider) for provider in known]
        for name, known in provider_names().items()
        if service in {None, name}
    }
    bridged = {name: [_offer(name, provider) for provider in bridged_names(name)] for name in found}
    if as_json:
        output.json(
            [
                {
                    "service": name,
                    "providers": list(map(asdict, found[name])),
                    "bridged": list(map(asdict, bridged[name])),
                }
                for name in found
            ]
        )
        return
    for at, (name, offers) in enumerate(found.items()):
        if at:
            output.line()
        _show(name, [offer for offer in offers if offer.error is None])
    for name, offers in bridged.items():
        _show_bridged(name, [offer for offer in offers if offer.error is None])
    everything = [offer for offers in (*found.values(), *bridged.values()) for offer in offers]
    broken = [(offer.name, offer.error) for offer in everything if offer.error]
    if broken:
        output.line()
        output.table(["cannot be imported", "reason"], broken)


def _offer(service: str, name: str) -> Offer:
    try:
        driver = get_driver(service, name)
        offers = {operation: driver.offers(operation) for operation in driver.operations()}
        via = getattr(driver, "via", None)
        return Offer(name, driver.name, offers, driver.extensions(), via=via)
    except Exception as error:  # noqa: BLE001 - another package's driver may raise anything
        return Offer(name, error=f"{type(error).__name__}: {error}")


def _show_bridged(service: str, found: list[Offer]) -> None:
    """Print a line for each provider that is reached via another library; JSON has its operations."""
    if not found:
        return
    output.line()
    rows = [
        [
            offer.name,
            offer.title,
            f"{sum(offer.offers.values())} of {len(offer.offers)}",
            len(offer.extensions),
        ]
        for offer in found
    ]
    output.table([f"via {found[0].via} ({service})", "provider", "operations", "own methods (ex_...)"], rows)


def _show(service: str, found: list[Offer]) -> None:
    """Print the table of a service; at a terminal in as many parts as its width requires."""
    for start, end in _parts([len(offer.name) for offer in found]):
        part = found[start:end]
        output.table([service, *(offer.name for offer in part)], *_sections(service, part))


def _parts(widths: list[int]) -> list[tuple[int, int]]:
    """Where to cut columns of these widths (each with a border and two spaces) so that each part fits."""
    if not output.at_terminal():
        return [(0, len(widths))]
    parts, start, used = [], 0, LABEL_WIDTH
    for at, width in enumerate(widths):
        if at > start and used + width + 3 > output.console().width:
            parts.append((start, at))
            start, used = at, LABEL_WIDTH
        used += width + 3
    return [*parts, (start, len(widths))]


def _sections(service: str, found: list[Offer]) -> list[list[list[str]]]:
    """The rows of the table: a section for each noun of the service, and one for the drivers' own methods."""
    groups: dict[str, list[str]] = {}
    for operation in dict.fromkeys(name for offer in found for name in offer.offers):
        groups.setdefault(_group(service, operation), []).append(operation)
    sections = [
        [
            [group, *("" for _ in found)],
            *([f"  {name}", *(_mark(offer.offers.get(name, False)) for offer in found)] for name in members),
        ]
        for group, members in groups.items()
    ]
    return [*sections, [["own methods (ex_...)", *(str(len(offer.extensions)) for offer in found)]]]


def _group(service: str, operation: str) -> str:
    """The noun that an operation names; else the main noun of the service."""
    main = main_noun(service)
    named = [noun for noun in nouns_of(service) if noun is not main and noun.one in operation]
    noun = next(iter(named), main)
    return noun.many if noun else "operations"


def _mark(offered: bool) -> str:
    if output.at_terminal() and output.console().encoding.startswith("utf"):
        return "✓" if offered else "·"
    return "yes" if offered else "-"


app = options.single(providers)
