"""Addresses of objects at a shell: `profile:container/path`, or a path of this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polycloud.cli import accounts
from polycloud.cli.services import all_names
from polycloud.errors import InvalidArgumentError

if TYPE_CHECKING:
    from polycloud.storage import Location
    from polycloud.storage.base import Container, Object, StorageDriver

__all__ = ["Address", "Drivers", "connected", "parse"]

REMOTE = re.compile(r"([\w][\w.-]*):(?!//)([^/]*)(?:/(.*))?", re.DOTALL)
STANDARD = "-"
"""Standard input or output."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address: of an account's container and a name in it, or the path of a file or folder (`account` "").

    `text` is the address as it was typed.
    """

    text: str
    account: str = ""
    container: str = ""
    name: str = ""

    @property
    def is_local(self) -> bool:
        """Whether it is a path of this machine."""
        return not self.account

    @property
    def is_standard(self) -> bool:
        """Whether it is standard input or output."""
        return self.is_local and self.text == STANDARD

    @property
    def path(self) -> Path:
        """The path of this machine."""
        try:
            return Path(self.text).expanduser()
        except RuntimeError as error:
            raise InvalidArgumentError(f"{self.text!r} is not a path: {error}") from None

    @property
    def is_folder(self) -> bool:
        """Whether it is a place for several objects: a container, a name that ends in "/", or a folder."""
        return self.path.is_dir() if self.is_local else self.name == "" or self.name.endswith("/")

    def below(self, name: str) -> Address:
        """The address of an object in it."""
        return Address(self.text, self.account, self.container, self.name + name)

    def require_object(self) -> Address:
        """Return it. Raises `InvalidArgumentError` unless it names an object."""
        if self.is_local or not (self.container and self.name):
            raise InvalidArgumentError(f"{self.text!r} must be an object: profile:container/name")
        return self

    def __str__(self) -> str:
        return self.text if self.is_local else f"{self.account}:{self.container}/{self.name}"


def parse(text: str) -> Address:
    """Read an address. A path with a colon is written with its folder, such as `./a:b`."""
    if not text:  # perhaps a variable of a script that was not set: it is not the current folder
        raise InvalidArgumentError("an address must not be empty: profile:container/name, or a path")
    found = REMOTE.fullmatch(text)
    if found is None:
        return Address(text)
    account, container, name = found.groups()
    if name and not container:
        raise InvalidArgumentError(f"{text!r} must name a container: profile:container/name")
    return Address(text, account, container, name or "")


class Drivers:
    """The drivers for a service of a command's addresses: one for each account."""

    def __init__(self, stack: ExitStack, service: str) -> None:
        self._stack = stack
        self._service = service
        self._drivers: dict[str, Any] = {}

    def of(self, address: Address) -> StorageDriver:
        """The driver of an address's account."""
        driver: StorageDriver = self.named(address.account)
        return driver

    def named(self, account: str) -> Any:
        """The driver of an account: a profile, or a provider whose credentials are in the environment."""
        if account not in self._drivers:
            known = accounts.configuration().profiles
            is_profile = account in known or account not in all_names()[self._service]
            chosen = (account, None) if is_profile else (None, account)
            self._drivers[account] = self._stack.enter_context(accounts.connect_one(self._service, *chosen))
        return self._drivers[account]

    def container(self, address: Address) -> Container:
        """The container of an address, which is not asked whether it exists."""
        from polycloud.storage.base import Container

        if not address.container:
            raise InvalidArgumentError(f"{address.text!r} must name a container: profile:container/name")
        return Container(address.container, {}, self.of(address))

    def object(self, address: Address) -> Object:
        """The object of an address, with its metadata."""
        address.require_object()
        return self.of(address).get_object(address.container, address.name)

    def are_same(self, one: Address, other: Address) -> bool:
        """Whether both are one object, though perhaps by two accounts."""
        from polycloud.storage import Location

        if one.is_local or other.is_local:
            return False
        places = [Location(self.container(each), each.name) for each in (one, other)]
        return places[0].is_same(places[1])

    def location(self, address: Address) -> Location | Path:
        """The place of several objects: a folder, or what begins with the address's name."""
        from polycloud.storage import Location

        if address.is_local:
            return address.path
        name = address.name if not address.name or address.name.endswith("/") else f"{address.name}/"
        return Location(self.container(address), name)


@contextmanager
def connected(service: str = "storage") -> Iterator[Drivers]:
    """Make drivers for addresses; close them at the end of the block."""
    with ExitStack() as stack:
        yield Drivers(stack, service)
