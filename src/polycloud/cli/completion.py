"""Shell completion: names from the configuration, and from the provider if it responds in time.

If anything goes wrong, nothing is offered and nothing is printed: the shell shows what a completion prints.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from polycloud.cli.resources import Noun

__all__ = ["looked_up", "of", "profiles", "providers"]

DEADLINE = 2.0
"""Seconds that a completion may take."""
Offers = list[tuple[str, str]]
"""Words, each with a description."""
looked_up: list[Offers] = []
"""What was offered in this process that may change: accounts, providers and resources."""


def profiles() -> Offers:
    """Names of profiles, with their providers."""

    def find() -> Offers:
        from polycloud import config

        return [(profile.name, profile.provider) for profile in config.profiles().values()]

    return _quietly(find)


def providers() -> Offers:
    """Names of providers, with the services for which they have a driver."""

    def find() -> Offers:
        from polycloud.cli.services import provider_names

        found: dict[str, list[str]] = {}
        for service, names in provider_names().items():
            for name in names:
                found.setdefault(name, []).append(service)
        return [(name, ", ".join(services)) for name, services in sorted(found.items())]

    return _quietly(find)


def of(noun: Noun) -> Callable[[typer.Context], Offers]:
    """A function that offers names or ids of the account's resources."""

    def find(ctx: typer.Context) -> Offers:
        from polycloud.cli import accounts
        from polycloud.concurrency.calls import call_options

        account = accounts.connect_one(noun.service, ctx.params.get("profile"), ctx.params.get("provider"))
        with call_options(deadline=DEADLINE), account as driver:
            return _offers([(noun.names(item), noun.id(item)) for item in noun.fetch(driver)])

    def offer(ctx: typer.Context) -> Offers:
        return _quietly(lambda: find(ctx))

    return offer


def _offers(items: list[tuple[list[str], str]]) -> Offers:
    """The first name of each item that is one word and unique, else its id; described by another name."""
    count = Counter(name for names, _ in items for name in names)
    found: Offers = []
    for names, id_ in items:
        fit = [name for name in names if len(name.split()) == 1 and count[name] == 1] or [id_]
        found.append((fit[0], next((other for other in (*names, id_) if other != fit[0]), "")))
    return found


def _quietly(find: Callable[[], Offers]) -> Offers:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = find()
        except Exception:  # noqa: BLE001 - a prompt cannot show an error
            found = []
    looked_up.append(found)
    return found
