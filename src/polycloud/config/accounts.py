"""A named account, and all of them."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polycloud.common.driver import credentials_from_environment, credentials_of
from polycloud.common.providers import get_driver
from polycloud.config.errors import ConfigError
from polycloud.config.secrets import resolved
from polycloud.config.settings import OPTIONS, check, listed
from polycloud.errors import InvalidArgumentError, UnknownProviderError, UnsupportedOperationError

PROFILE_VARIABLE = "POLYCLOUD_PROFILE"
NEAREST = 3
DEFAULT_NAMES = ", the default"
SHOWN = 20
DEFAULT_SERVICE = "compute"
NOT_IN_A_FILE = ("retry", "transport")


@dataclass(frozen=True, slots=True)
class Profile:
    """A named account: its provider and its settings, whose secrets are not resolved yet."""

    name: str
    provider: str
    settings: Mapping[str, Any] = field(repr=False)
    file: Path
    service: str | None = None

    def connect(self, service: str | None = None, **options: Any) -> Any:
        """Make its driver for a service; `options` override those of the profile.

        The default is the profile's own service, else compute. Raises `ConfigError` if the profile is for
        another service, a setting is invalid, or a credential is missing or cannot be resolved.
        """
        kind = self.driver(service)
        names = [one.name for one in credentials_of(kind)]
        given = {name: self._setting(name, secret=name in names) for name in self.settings}
        credentials: tuple[Any, ...] = tuple(given.pop(name) for name in names if name in given)
        found = credentials or credentials_from_environment(kind)
        credentials = found or ()
        if found is None or 0 < len(credentials) < len(names):
            missing = [name for name in names if name not in self.settings]
            near = [one for name in missing for one in difflib.get_close_matches(name, self.settings, 1)]
            raise ConfigError(
                f"{self.where()} lacks {', '.join(missing)}, which {kind.name} needs"
                + (f" (it has {', '.join(near)}); " if near else "; ")
                + f"write it there, or leave all credentials out and set {variables_of(kind)}"
            )
        try:
            return kind(*credentials, **{**given, **options})
        # TypeError: the driver has no such argument
        except (InvalidArgumentError, UnsupportedOperationError, TypeError) as error:
            raise ConfigError(f"{self.where()}: {_without_values(str(error), given)}") from None

    def driver(self, service: str | None = None) -> Any:
        """Return the class of its driver for a service.

        Raises `ConfigError` for an unknown provider, and for a service that the profile is not for.
        """
        if service and self.service and service != self.service:
            raise ConfigError(f"{self.where('service')}: it is for {self.service}, not for {service}")
        try:
            return get_driver(service or self.service or DEFAULT_SERVICE, self.provider)
        except UnknownProviderError as error:
            # Unless it resembles a provider's name, it may be a secret in the wrong place
            known = "nearest" in str(error) or f"no {self.service or service}" in str(error)
            message = error if known else "no provider is called that; `polycloud providers` lists them"
            raise ConfigError(f"{self.where('provider')}: {message}") from None

    def where(self, setting: str = "") -> str:
        """Return the place of the profile, or of a setting, for messages."""
        return f"{self.file}: profiles.{self.name}" + (f".{setting}" if setting else "")

    def _setting(self, name: str, *, secret: bool) -> Any:
        """Return a setting, resolved and of its type."""
        value = self.settings[name]
        try:
            if name in NOT_IN_A_FILE:
                raise ConfigError("it cannot be set in a file")
            if isinstance(value, dict):
                value = resolved(value)
            check(value, (str,) if secret else OPTIONS.get(name))
            return listed(name, value) if isinstance(value, list) else value
        except ConfigError as error:
            raise ConfigError(f"{self.where(name)}: {error}") from None


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration: its profiles by name, in the order of the file, and the name of the `default` one."""

    file: Path
    profiles: Mapping[str, Profile]
    default: str | None = None

    def profile(self, name: str | None = None) -> Profile:
        """Return the profile of that name; else that of `POLYCLOUD_PROFILE`, the default or the only one.

        Raises `ConfigError` with the nearest names.
        """
        if name is not None and not isinstance(name, str):
            raise ConfigError(f"profile must be the name of a profile, got {type(name).__name__}")
        of_environment = None if name else os.environ.get(PROFILE_VARIABLE)
        by = f", which {PROFILE_VARIABLE} names" if of_environment else "" if name else DEFAULT_NAMES
        name = name or of_environment or self.default
        if name is None and len(self.profiles) == 1:
            return next(iter(self.profiles.values()))
        if name is None:
            raise ConfigError(f"which profile? {self._known()}")
        if name not in self.profiles:
            near = difflib.get_close_matches(name, self.profiles, NEAREST)
            hint = f" in {self.file}; the nearest are {', '.join(near)}" if near else f"; {self._known()}"
            called = repr(name) if near or by != DEFAULT_NAMES else "that"  # it may be a secret there
            raise ConfigError(f"no profile is called {called}{by}{hint}")
        return self.profiles[name]

    def of_service(self, service: str | None) -> list[Profile]:
        """Return the profiles that are for a service: its own, and those for every service."""
        return [
            one for one in self.profiles.values() if not (service and one.service) or one.service == service
        ]

    def _known(self) -> str:
        if not self.profiles:
            return f"there is none yet; write [profiles.NAME] with its provider into {self.file}"
        return f"there are in {self.file}: {', '.join(self.profiles)}"


def variables_of(kind: Any) -> str:
    """Return the names of the variables for a driver's credentials, for messages."""
    return " and ".join(" or ".join(one.variables) for one in credentials_of(kind))


def _without_values(message: str, given: Mapping[str, Any]) -> str:
    """Return a message without the texts of a profile's settings: any may be a secret in the wrong place."""
    from polycloud.tracing.redaction import REDACTED, redaction_of  # msgspec waits until it is needed

    values = [value for value in given.values() if isinstance(value, str)]
    values += [part for value in given.values() if isinstance(value, tuple | list) for part in value]
    texts = [value for value in values if isinstance(value, str) and value not in OPTIONS]
    # A message has the beginning of a long value
    for text in texts:
        if len(text) > SHOWN and text[:SHOWN] in message:
            message = message[: message.index(text[:SHOWN])] + REDACTED
    return redaction_of(tuple(texts)).known(message)
