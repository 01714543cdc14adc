"""The drivers of a filesystem: one that it was given, or one for each account that paths name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fsspec.utils import tokenize  # type: ignore[import-untyped]

from polycloud import config
from polycloud.errors import InvalidArgumentError
from polycloud.storage.base import Container, StorageDriver
from polycloud.storage.providers import names

_drivers: dict[str, StorageDriver] = {}
"""Drivers by what they were made of: all threads and filesystems share them."""


class Place(NamedTuple):
    """What a path leads to: an object, or a folder of its container; without a name, the container itself.

    `root` is the path of the container.
    """

    container: Container
    name: str
    root: str

    @property
    def prefix(self) -> str:
        """How the names of what is in the folder begin."""
        return f"{self.name}/" if self.name else ""

    @property
    def driver(self) -> StorageDriver:
        """The container's driver."""
        return self.container.driver


class Accounts:
    """Drivers by account; a filesystem of one account has only "".

    Raises `InvalidArgumentError` if more than one of driver, profile and provider is given.
    """

    def __init__(
        self,
        driver: StorageDriver | None,
        profile: str | None,
        provider: str | None,
        credentials: Sequence[str],
        options: dict[str, Any],
    ) -> None:
        given = {"driver": driver, "profile": profile, "provider": provider}
        several = [name for name, one in given.items() if one is not None]
        if len(several) > 1:
            raise InvalidArgumentError(
                f"give one of driver, profile and provider, not {' and '.join(several)}"
            )
        if driver is not None and not isinstance(driver, StorageDriver):
            raise InvalidArgumentError(f"driver must be a storage driver, got {driver!r}")
        if credentials and provider is None:
            raise InvalidArgumentError("credentials are those of a provider: give provider=, too")
        if options and driver is not None:
            raise InvalidArgumentError(f"a driver has its options already; leave out {', '.join(options)}")
        self.is_one = bool(several)
        self._profile, self._provider = profile, provider
        self._credentials, self._options = tuple(credentials), options
        self._found: dict[str, StorageDriver] = {} if driver is None else {"": driver}
        made_of = (profile, provider, self._credentials, options)
        self.token = str(tokenize(made_of if driver is None else id(driver)))
        """What only filesystems of the same accounts have."""

    def names(self) -> list[str]:
        """Return the names of the profiles for storage."""
        known = names()
        return [one.name for one in config.load().of_service("storage") if one.provider in known]

    def place(self, path: str) -> Place | None:
        """Return where a path leads; None for an account. Raises `ConfigError` for one that there is not."""
        account, rest = ("", path) if self.is_one else path.partition("/")[::2]
        container, _, name = rest.partition("/")
        if not container:
            if name:
                raise InvalidArgumentError(f"{path!r} must name a container")
            return None
        root = path[: len(path) - len(name)].rstrip("/") if name else path
        return Place(Container(container, {}, self.driver(account)), name, root)

    def driver(self, account: str) -> StorageDriver:
        """Return the driver of an account."""
        if account not in self._found:
            self._found[account] = self._connected(account)
        return self._found[account]

    def _connected(self, account: str) -> StorageDriver:
        provider, name = self._provider, self._profile
        if not self.is_one:
            is_profile = account in config.load().profiles or account not in names()
            provider, name = (None, account) if is_profile else (account, None)
        profile = None if name is None else config.load().profile(name)
        settings = profile and (profile.file, name, profile.provider, dict(profile.settings))
        key = str(tokenize(provider, self._credentials, settings, self._options))
        if key not in _drivers:
            made: StorageDriver = (
                config.connect(provider, *self._credentials, service="storage", **self._options)
                if profile is None
                else profile.connect("storage", **self._options)
            )
            if _drivers.setdefault(key, made) is not made:  # another thread was faster
                made.close()
        return _drivers[key]


def close_drivers() -> None:
    """Close the drivers that filesystems have made."""
    while _drivers:
        _drivers.popitem()[1].close()
