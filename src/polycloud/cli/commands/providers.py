"""`polycloud providers`: what each driver offers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import Annotated

import typer

from polycloud import DriverType, get_driver
from polycloud.cli import options, output

__all__ = ["app", "providers"]

LABEL_WIDTH = 33
GROUPS = {
    DriverType.COMPUTE: {
        "key pairs": ("key_pair",),
        "volumes": ("volume",),
        "sizes, images, locations": ("size", "image", "location"),
    }
}
"""For each service, groups of operations and the words that tell their members."""
REST = {DriverType.COMPUTE: "nodes"}
"""For each service, the group of all other operations."""


@dataclass
class Offer:
    """What one driver offers; `error` says why where its class cannot be had."""

    name: str
    title: str = ""
    offers: dict[str, bool] = field(default_factory=dict)
    extensions: list[str] = field(default_factory=list)
    error: str | None = None


def providers(
    *,
    service: Annotated[
        DriverType, typer.Option(help="The service whose drivers to show.")
    ] = DriverType.COMPUTE,
    as_json: options.Json = False,
) -> None:
    """Show what each provider's driver offers.

    An operation that is not offered raises UnsupportedOperationError before anything is sent.
    """
    names = import_module(f"polycloud.{service}.providers").names()
    found = [_offer(service, name) for name in names]
    if as_json:
        output.json({"service": service, "providers": [asdict(offer) for offer in found]})
        return
    _show(service, [offer for offer in found if offer.error is None])
    broken = [(offer.name, offer.error) for offer in found if offer.error is not None]
    if broken:
        output.line()
        output.table(["cannot be imported", "reason"], broken)


def _offer(service: str, name: str) -> Offer:
    try:
        driver = get_driver(service, name)
        offers = {operation: driver.offers(operation) for operation in driver.operations()}
        return Offer(name, driver.name, offers, driver.extensions())
    except Exception as error:  # noqa: BLE001 - whatever ails another package's driver, the others are shown
        return Offer(name, error=f"{type(error).__name__}: {error}")


def _show(service: str, found: list[Offer]) -> None:
    """The matrix; at a terminal in as many parts as its width asks for."""
    for start, end in _parts([len(offer.name) for offer in found]):
        part = found[start:end]
        output.table(["operation", *(offer.name for offer in part)], *_sections(service, part))


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
    """The rows of the matrix, a section for each group of operations and one for the drivers' own."""
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
    for group, words in GROUPS.get(DriverType(service), {}).items():
        if any(word in operation for word in words):
            return group
    return REST.get(DriverType(service), "operations")


def _mark(offered: bool) -> str:
    if output.at_terminal() and output.console().encoding.startswith("utf"):
        return "✓" if offered else "·"
    return "yes" if offered else "-"


app = options.single(providers)
