"""Which accounts a command is about: profiles of the configuration, or a provider with the environment."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from polycloud.cli import output
from polycloud.errors import InvalidArgumentError

if TYPE_CHECKING:
    from polycloud.compute.base import NodeDriver
    from polycloud.config import Config

__all__ = ["Accounts", "configuration", "name_of", "one", "several"]

Accounts = Mapping[str, Callable[[], "NodeDriver"]]
"""What makes the driver of an account, by the account's name."""


@cache
def configuration() -> Config:
    """The configuration, read once; what it warns of is one line on stderr."""
    from polycloud import config

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loaded = config.load()
    for warning in caught:
        output.note(f"warning: {warning.message}")
    return loaded


@contextmanager
def one(profile: str | None, provider: str | None) -> Iterator[NodeDriver]:
    """The driver of one account, closed in the end."""
    ((_, connect),) = several(None if profile is None else [profile], provider).items()
    with connect() as driver:
        yield driver


def name_of(profile: str | None, provider: str | None) -> str:
    """What messages call that account."""
    return provider or configuration().profile(profile).name


def several(profiles: Sequence[str] | None, provider: str | None, *, every: bool = False) -> Accounts:
    """The accounts asked for; the default one where none is.

    Raises `InvalidArgumentError` where more than one of the ways to ask is used, and `ConfigError` for
    names that are none.
    """
    if sum(map(bool, (profiles, provider, every))) > 1:
        raise InvalidArgumentError("give --profile, --provider or --all, not several of them")
    if provider:
        return {provider: _from_environment(provider)}
    loaded = configuration()
    if every and not loaded.profiles:
        raise InvalidArgumentError(f"there are no profiles in {loaded.file}")
    names: Sequence[str | None] = profiles or [None]
    found = loaded.profiles.values() if every else map(loaded.profile, names)
    return {profile.name: profile.connect for profile in found}


def _from_environment(provider: str) -> Callable[[], NodeDriver]:
    def connect() -> NodeDriver:
        from polycloud import config

        driver: NodeDriver = config.connect(provider)
        return driver

    return connect
