"""Shell completion: names from the configuration, and from the provider if it responds in time.

If anything goes wrong, nothing is offered and nothing is printed: the shell shows what a completion prints.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any

import typer
from typer import _completion_classes, _completion_shared

from polycloud.cli.output import printable, silently
from polycloud.cli.shells import BASH_SCRIPT

if TYPE_CHECKING:
    from polycloud.cli.resources import Noun

__all__ = ["addresses", "looked_up", "lookup", "of", "prepare_typer", "profiles", "providers", "zones"]

MOST = 1000
"""The most names of a folder that are offered."""
DEADLINE = 2.0
"""Seconds that a completion may take."""
Offers = list[tuple[str, str]]
"""Words, each with a description."""
looked_up: list[Offers] = []
"""What was offered in this process that may change: accounts, providers and resources."""


def prepare_typer() -> None:
    """Have Typer print our script for bash, and descriptions as they are instead of as Rich's markup."""
    classes: Any = _completion_classes
    classes.BashComplete.source_template = BASH_SCRIPT
    classes.FishComplete.format_completion = lambda _, item: f"{item.value}\t{printable(item.help or '')}"
    _completion_shared._completion_scripts["bash"] = BASH_SCRIPT  # noqa: SLF001 - it has no other name


def profiles() -> Offers:
    """Names of profiles, with their providers."""

    def find() -> Offers:
        from polycloud import config

        return [(profile.name, profile.provider) for profile in config.profiles().values()]

    return _quietly(find)


def providers() -> Offers:
    """Names of providers, with the services for which they have a driver."""

    def find() -> Offers:
        from polycloud.cli.services import all_names

        found: dict[str, list[str]] = {}
        for service, names in all_names().items():
            for name in names:
                found.setdefault(name, []).append(service)
        return [(name, ", ".join(services)) for name, services in sorted(found.items())]

    return _quietly(find)


def of(noun: Noun) -> Callable[[typer.Context], Offers]:
    """A function that offers names or ids of the account's resources."""

    def find(driver: Any, _: Any) -> Offers:
        living = [item for item in noun.fetch_names(driver) if not noun.is_gone(item)]
        return _offers([(noun.names(item), noun.id(item)) for item in living])

    return lookup(noun.service, find)


def lookup(service: str, find: Callable[[Any, Any], Offers]) -> Callable[[typer.Context], Offers]:
    """A function that offers what `find` returns for the driver of the account and the arguments so far."""

    def ask(ctx: typer.Context) -> Offers:
        from polycloud.cli import accounts
        from polycloud.concurrency.calls import call_options

        profile = ctx.params.get("profile")
        if isinstance(profile, list | tuple):  # the first of several
            profile = profile[0] if profile else None
        account = accounts.connect_one(service, profile, ctx.params.get("provider"))
        with call_options(deadline=DEADLINE), account as driver:
            return find(driver, ctx.params)

    def offer(ctx: typer.Context) -> Offers:
        return _quietly(lambda: ask(ctx))

    return offer


def addresses(incomplete: str) -> Offers:
    """Accounts with storage, then containers, then what is in a folder: `prod:photos/2026/`."""

    def find() -> Offers:
        from polycloud.cli.addresses import connected, parse
        from polycloud.concurrency.calls import call_options

        if ":" not in incomplete:
            return _accounts_with("storage")
        account, _, rest = incomplete.partition(":")
        container, slash, path = rest.partition("/")
        with call_options(deadline=DEADLINE), connected() as drivers:
            place = parse(f"{account}:{container if slash else ''}")
            if not slash:
                return [(f"{account}:{one.name}/", "") for one in drivers.of(place).list_containers()]
            folder = path[: path.rfind("/") + 1]
            found = islice(drivers.container(place).iterate_folder(folder), MOST)
            names = (one if isinstance(one, str) else one.name for one in found)
            return [(f"{account}:{container}/{name}", "") for name in names]

    return _quietly(find)


def zones(incomplete: str) -> Offers:
    """Accounts with DNS, then the zones of one: `prod:example.com`."""

    def find() -> Offers:
        from polycloud.cli.addresses import connected
        from polycloud.concurrency.calls import call_options

        account, colon, _ = incomplete.partition(":")
        if not colon:
            return _accounts_with("dns")
        with call_options(deadline=DEADLINE), connected("dns") as drivers:
            return [(f"{account}:{one.domain}", "") for one in drivers.named(account).list_zones()]

    return _quietly(find)


def _accounts_with(service: str) -> Offers:
    from polycloud import config
    from polycloud.cli.services import all_names

    known = all_names()[service]
    fitting = (one for one in config.load().of_service(service) if one.provider in known)
    return [(f"{one.name}:", one.provider) for one in fitting]


def _offers(items: list[tuple[list[str], str]]) -> Offers:
    """The first name of each item that is one word and unique, else its id; described by another name."""
    count = Counter(name for names, _ in items for name in names)
    found: Offers = []
    for names, id_ in items:
        fit = [name for name in names if _is_word(name) and count[name] == 1] or [id_]
        found.append((fit[0], next((other for other in (*names, id_) if other != fit[0]), "")))
    return found


def _is_word(text: str) -> bool:
    """Whether it is one word that a terminal can show, and no option: a node may be called `--yes`."""
    return text.isprintable() and len(text.split()) == 1 and not text.startswith("-")


def _quietly(find: Callable[[], Offers]) -> Offers:
    with warnings.catch_warnings(), silently():
        warnings.simplefilter("ignore")
        try:
            found = [offer for offer in find() if _is_word(offer[0])]
        except Exception:  # noqa: BLE001 - a prompt cannot show an error
            found = []
    looked_up.append(found)
    return found
