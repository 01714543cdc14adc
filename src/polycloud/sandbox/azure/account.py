"""The storage account, and what a path names in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
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
    _last: int = 0

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        return self.clock()

    def new_etag(self) -> str:
        """Return an etag that nothing had before, without quotes."""
        return f"0x{next(self._numbers):X}"

    def _new_version(self) -> str:
        """Return the id of a new version: a date with seven decimals, higher than all before."""
        self._last = max(self._last + 1, int(self.now * 1e7))
        date = datetime.fromtimestamp(self._last // 10**7, UTC)
        return f"{date:%Y-%m-%dT%H:%M:%S}.{self._last % 10**7:07}Z"

    def touch(self, item: Blob | Container) -> dict[str, str]:
        """Note that an item has changed; return the headers that say so."""
        item.changed, item.etag = self.now, self.new_etag()
        if isinstance(item, Blob) and self.settings.versioning:
            item.extra["version"] = self._new_version()
        return stamps(item)


@dataclass(frozen=True)
class Place:
    """What a path names: the account, and maybe a container and a blob in it."""

    account: Account
    container_name: str
    blob_name: str
    version: str = ""

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
        container = self.container
        if not self.version:
            found = container.objects.get(self.blob_name)
            versions = [found] if found else []
        else:
            versions = [one for one in container.versions(self.blob_name) if version_of(one) == self.version]
        if not versions:
            raise refusal("BlobNotFound")
        return versions[0]

    def keep(self) -> None:
        """Keep the blob as an earlier version of what comes now, if the account does."""
        container = self.container
        now = container.objects.get(self.blob_name)
        if now and self.account.settings.versioning:
            kept = replace(now, metadata=dict(now.metadata), headers=dict(now.headers), extra=dict(now.extra))
            container.old.setdefault(self.blob_name, []).append(kept)


def stamps(item: Blob | Container) -> dict[str, str]:
    """Return the headers that tell a version of an item."""
    headers = {"etag": f'"{item.etag}"', "last-modified": http_date(item.changed)}
    return {**headers, **({"x-ms-version-id": item.extra["version"]} if "version" in item.extra else {})}


def version_of(blob: Blob) -> str:
    """Return the id of a blob's version; empty where versions are not kept."""
    return str(blob.extra.get("version", ""))


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
