"""What the shell completes: names from the configuration, and from the provider where it answers soon.

Whatever goes wrong, nothing is offered and nothing is said: the shell shows what a completion prints.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable

import typer

__all__ = ["images", "keys", "locations", "nodes", "profiles", "providers", "sizes", "volumes"]

PATIENCE = 2.0
"""Seconds that one waits for a completion."""
Offers = list[tuple[str, str]]


def profiles() -> Offers:
    """Names of profiles, with their providers."""

    def find() -> Offers:
        from polycloud import config

        return [(profile.name, profile.provider) for profile in config.profiles().values()]

    return _quietly(find)


def providers() -> Offers:
    """Names of providers."""

    def find() -> Offers:
        from polycloud.compute.providers import names

        return [(name, "") for name in names()]

    return _quietly(find)


def _listed(noun: str) -> Callable[[typer.Context], Offers]:
    """What offers names or ids of what the account has."""

    def find(ctx: typer.Context) -> Offers:
        from polycloud.cli import accounts, resources
        from polycloud.concurrency.calls import call_options

        kind: resources.Noun = getattr(resources, noun)
        asked = accounts.one(ctx.params.get("profile"), ctx.params.get("provider"))
        with call_options(deadline=PATIENCE), asked as driver:
            return _offers([(kind.names(thing), kind.id(thing)) for thing in kind.fetch(driver)])

    def offer(ctx: typer.Context) -> Offers:
        return _quietly(lambda: find(ctx))

    return offer


def _offers(things: list[tuple[list[str], str]]) -> Offers:
    """For each its first name that is one word and no other's, else its id; with the rest to tell it by."""
    count = Counter(name for names, _ in things for name in names)
    found: Offers = []
    for names, id_ in things:
        fit = [name for name in names if len(name.split()) == 1 and count[name] == 1] or [id_]
        found.append((fit[0], next((other for other in (*names, id_) if other != fit[0]), "")))
    return found


def _quietly(find: Callable[[], Offers]) -> Offers:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return find()
        except Exception:  # noqa: BLE001 - whatever it is, a prompt is no place to tell it
            return []


nodes, sizes, images = map(_listed, ("NODES", "SIZES", "IMAGES"))
locations, keys, volumes = map(_listed, ("LOCATIONS", "KEYS", "VOLUMES"))
