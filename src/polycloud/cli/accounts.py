"""The accounts of a command: profiles, or a provider with credentials from the environment."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from polycloud.cli import output
from polycloud.errors import InvalidArgumentError, PolycloudError

if TYPE_CHECKING:
    from polycloud.config import Config

__all__ = [
    "Accounts",
    "configuration",
    "connect_all",
    "connect_one",
    "driver_class",
    "flags",
    "name_of",
    "overrides",
]

Accounts = Mapping[str, Callable[[], Any]]
"""Functions that make the driver of an account, by the account's name."""
overrides: dict[str, str] = {}
"""Options of the command line that replace those of its accounts: `region` and `url`."""


@cache
def configuration() -> Config:
    """Read the configuration, once; each of its warnings is one line on stderr."""
    from polycloud import config

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loaded = config.load()
    for warning in caught:
        output.note(f"warning: {warning.message}")
    return loaded


@contextmanager
def connect_one(service: str, profile: str | None, provider: str | None) -> Iterator[Any]:
    """Make the driver of one account for a service, and close it at the end of the block."""
    ((_, connect),) = connect_all(service, None if profile is None else [profile], provider).items()
    with connect() as driver:
        yield driver


def name_of(profile: str | None, provider: str | None) -> str:
    """The name of that account in messages."""
    return provider or configuration().profile(profile).name


def driver_class(service: str, profile: str | None, provider: str | None) -> Any:
    """The class of an account's driver; None if there is no such account."""
    from polycloud.common.providers import get_driver

    try:
        return get_driver(service, provider) if provider else configuration().profile(profile).driver(service)
    except PolycloudError:
        return None


def flags(profile: str | None, provider: str | None) -> list[str]:
    """The options of a command line that choose that account, as this command did."""
    account = ["-p", profile] if profile else ["--provider", provider] if provider else []
    return [*account, *(word for name, value in overrides.items() for word in (f"--{name}", value))]


def connect_all(
    service: str | None, profiles: Sequence[str] | None, provider: str | None, *, every: bool = False
) -> Accounts:
    """The accounts that were asked for, or the default one; with `every`, all that are for the service.

    Without a service each account's driver is for the service of its profile, which is compute by default.
    Raises `InvalidArgumentError` if several of the options are given, and `ConfigError` for unknown names.
    """
    if sum(map(bool, (profiles, provider, every))) > 1:
        raise InvalidArgumentError("give only one of --profile, --provider and --all")
    if provider:
        return {provider: _from_environment(service, provider)}
    loaded = configuration()
    names: Sequence[str | None] = profiles or [None]
    found = loaded.of_service(service) if every else list(map(loaded.profile, names))
    if not found:
        which = f" for {service}" if service and loaded.profiles else ""
        raise InvalidArgumentError(f"there are no profiles{which} in {loaded.file}")
    if len(found) > 1 and "url" in overrides:
        raise InvalidArgumentError("--url is for one account; several would send it their credentials")
    return {profile.name: _from_profile(service, profile) for profile in found}


def _from_profile(service: str | None, profile: Any) -> Callable[[], Any]:
    return lambda: profile.connect(service, **overrides)


def _from_environment(service: str | None, provider: str) -> Callable[[], Any]:
    def connect() -> Any:
        from polycloud import config

        return config.connect(provider, service=service, **overrides)

    return connect
