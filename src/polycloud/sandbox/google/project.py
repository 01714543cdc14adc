"""The project's buckets, the versions of their objects, and what preconditions ask of them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from polycloud.sandbox.google.words import invalid, precondition, refusal
from polycloud.sandbox.objects.http import Refusal, Reply
from polycloud.sandbox.objects.store import Blob, Container, Names

_NAMES = ("GenerationMatch", "GenerationNotMatch", "MetagenerationMatch", "MetagenerationNotMatch")


@dataclass(eq=False)
class Project:
    """The buckets of the project.

    Attributes:
        settings: the cloud's settings.
        clock: returns seconds since 1970.
        email: the name of the service account.
        buckets: by name.
        uploads: the resumable uploads, by id.
        rewrites: how many bytes of unfinished rewrites are copied, by token.
        root: scheme and host of the present request, for links.
    """

    settings: Any
    clock: Callable[[], float]
    email: str
    buckets: Names[Container] = field(default_factory=Names)
    uploads: dict[str, Any] = field(default_factory=dict)
    rewrites: dict[str, int] = field(default_factory=dict)
    root: str = ""
    _last: int = 0

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        return self.clock()

    def new_generation(self) -> int:
        """Return the number of a new version, in microseconds since 1970; each is higher than all before."""
        self._last = max(self._last + 1, int(self.now * 1e6))
        return self._last

    def bucket(self, name: str) -> Container:
        """Return a bucket. Raises `Refusal`."""
        found = self.buckets.get(name)
        if found is None:
            raise refusal(404, "notFound", "The specified bucket does not exist.")
        return found

    def object(self, bucket: str, name: str, generation: str | None = None) -> Blob:
        """Return an object, or one of its versions. Raises `Refusal`."""
        container = self.bucket(bucket)
        for blob in container.versions(name) if generation else [container.objects.get(name)]:
            if blob and generation in {None, "", str(blob.extra["generation"])}:
                return blob
        raise refusal(404, "notFound", f"No such object: {bucket}/{name}")

    def add(self, bucket: Container, blob: Blob) -> None:
        """Put a new version of an object into a bucket."""
        self.remove(bucket, blob.name)
        blob.extra |= {"generation": self.new_generation(), "metageneration": 1}
        blob.created = blob.changed = self.now
        bucket.objects[blob.name] = blob

    def remove(self, bucket: Container, name: str, generation: str | None = None) -> None:
        """Delete an object, which a bucket with versions keeps; with a generation, delete that version."""
        old = bucket.old
        current = bucket.objects.get(name)
        if generation and not (current and str(current.extra["generation"]) == generation):
            old[name] = [one for one in old.get(name, ()) if str(one.extra["generation"]) != generation]
        elif current:
            del bucket.objects[name]
            if is_versioned(bucket) and not generation:
                current.extra["deleted"] = self.now
                old.setdefault(name, []).append(current)


def is_versioned(bucket: Container) -> bool:
    """Return whether a bucket keeps what is replaced or deleted."""
    return bool(bucket.extra["fields"].get("versioning", {}).get("enabled"))


def etag(blob: Blob | Container) -> str:
    """Return the etag of an object or bucket, which changes with its metadata."""
    generation, metageneration = blob.extra.get("generation", 0), blob.extra["metageneration"]
    return base64.b64encode(generation.to_bytes(8, "big") + metageneration.to_bytes(2, "big")).decode()


def check(
    query: Mapping[str, str], item: Blob | Container | None, prefix: str = "if", *, is_read: bool = False
) -> None:
    """Raise `Refusal` unless preconditions are met.

    Args:
        query: the parameters.
        item: the object or bucket; None if there is none.
        prefix: what the names of the parameters begin with.
        is_read: whether the request only reads.
    """
    extra = item.extra if item else {}
    for name in _NAMES:
        text = query.get(prefix + name)
        if text is None:
            continue
        if not text.isdecimal():
            raise invalid(f"Invalid value for {prefix}{name}: {text}")
        now = extra.get("metageneration" if name.startswith("Meta") else "generation", 0)
        is_not = "NotMatch" in name
        if (now == int(text)) == is_not:
            if is_not and is_read:
                raise Refusal(Reply(304))
            raise precondition()
