"""The storage account, and what a path names in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from polycloud.sandbox.azure.words import refusal
from polycloud.sandbox.objects.http import Request, http_date
from polycloud.sandbox.objects.store import Blob, Container, Names

META = "x-ms-meta-"
_IDENTIFIER = re.compile(r"[^\W\d]\w*", re.ASCII)
_MOST_METADATA = 8192


@dataclass(eq=False)
class Account:
    """The account's containers.

    Attributes:
        settings: the cloud's settings.
        clock: returns seconds since 1970.
        containers: by name.
    """

    settings: Any
    clock: Callable[[], float]
    containers: Names[Container] = field(default_factory=Names)
    _numbers: Any = field(default_factory=lambda: count(0x8DC0000000000))

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        return self.clock()

    def new_etag(self) -> str:
        """Return an etag that nothing had before, without quotes."""
        return f"0x{next(self._numbers):X}"

    def touch(self, item: Blob | Container) -> dict[str, str]:
        """Note that an item has changed; return the headers that say so."""
        item.changed, item.etag = self.now, self.new_etag()
        return stamps(item)


@dataclass(frozen=True)
class Place:
    """What a path names: the account, and maybe a container and a blob in it."""

    account: Account
    container_name: str
    blob_name: str

    @property
    def container(self) -> Container:
        """The container. Raises `Refusal` if there is none."""
        found = self.account.containers.get(self.container_name)
        if found is None:
            raise refusal("ContainerNotFound")
        return found

    @property
    def blob(self) -> Blob:
        """The blob. Raises `Refusal` if there is none."""
        found = self.container.objects.get(self.blob_name)
        if found is None:
            raise refusal("BlobNotFound")
        return found


def stamps(item: Blob | Container) -> dict[str, str]:
    """Return the headers that tell a version of an item."""
    return {"etag": f'"{item.etag}"', "last-modified": http_date(item.changed)}


def metadata(request: Request) -> dict[str, str]:
    """Return the metadata that a request gives. Raises `Refusal`."""
    given = request.prefixed(META)
    if not all(_IDENTIFIER.fullmatch(name) for name in given):
        raise refusal("InvalidMetadata")
    if sum(len(name) + len(value) for name, value in given.items()) > _MOST_METADATA:
        raise refusal("MetadataTooLarge")
    return given


def shown_metadata(item: Blob | Container) -> dict[str, str]:
    """Return metadata as headers."""
    return {f"{META}{name}": value for name, value in item.metadata.items()}
