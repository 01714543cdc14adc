"""Swift's versions of objects: what a container keeps when an object is written again or deleted.

A delete leaves a marker. `Container.old` has the markers and all versions but the current one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from polycloud.sandbox.objects.content import Content
from polycloud.sandbox.objects.http import Reply, Request
from polycloud.sandbox.objects.store import Blob, Container
from polycloud.sandbox.openstack.swift.places import HTML, Place, Stores, refusal

_ID = re.compile(r"null|\d+\.\d{5}")
_MARKER = "application/x-deleted;swift_versions_deleted=1"


def version_of(blob: Blob | None) -> str:
    """Return the id of a version; "null" for an object that was written while none were kept."""
    return str(blob.extra.get("version", "null")) if blob else "null"


def headers_of(place: Place, blob: Blob) -> dict[str, str]:
    """Return the headers that tell the version of an object."""
    if "version" not in blob.extra:
        return {}
    named = {"x-object-version-id": version_of(blob)}
    if place.version:
        return named
    path = f"/v1/{place.account_name}/{place.container_name}/{place.name}"
    return {**named, "content-location": f"{path}?version-id={version_of(blob)}"}


def find(place: Place) -> Blob | None:
    """Return the object at a place, or the version that the place names. Raises `Refusal` for no such id."""
    if not place.version:
        return place.container.objects.get(place.name)
    if not _ID.fullmatch(place.version):
        raise refusal(400, "Invalid version parameter")
    versions = place.container.versions(place.name)
    return next((one for one in versions if version_of(one) == place.version), None)


def is_marker(blob: Blob) -> bool:
    """Return whether a version is the mark of a delete."""
    return blob.headers["content-type"] == _MARKER


def put(stores: Stores, container: Container, name: str, blob: Blob | None) -> dict[str, str]:
    """Put an object into a container in place of what was there, which may be kept; None deletes it.

    Return the headers that tell its version, or that of the marker.
    """
    now = container.objects.pop(name, None)
    keeps = bool(container.extra.get("versions"))
    if now and (keeps or "version" in now.extra):
        now.extra.setdefault("version", f"{now.changed:.5f}")
        container.old.setdefault(name, []).append(now)
    new = blob
    if keeps:
        at = stores.new_time()
        new = blob or _marker(name, at)
        new.extra.setdefault("version", f"{at:.5f}")
        if new is not blob:
            container.old.setdefault(name, []).append(new)
    if blob:
        container.objects[name] = blob
    return {"x-object-version-id": version_of(new)} if keeps else {}


def _marker(name: str, at: float) -> Blob:
    content, headers = Content(), {"content-type": _MARKER}
    etag = content.md5.hex()
    return Blob(name=name, content=content, headers=headers, metadata={}, created=at, changed=at, etag=etag)


def restore(stores: Stores, _: Request, place: Place) -> Reply:
    """Make an earlier version the current one."""
    blob = find(place)
    if blob is None or is_marker(blob):
        raise refusal(404)
    if blob in place.container.old.get(place.name, ()):
        place.container.old[place.name].remove(blob)
        put(stores, place.container, place.name, blob)
    return Reply(201, {"content-type": HTML, "etag": blob.etag, "x-object-version-id": version_of(blob)})


def delete(place: Place) -> Reply:
    """Delete a version for good."""
    container, blob = place.container, find(place)
    if blob is None:
        raise refusal(404)
    if container.objects.get(place.name) is blob:
        del container.objects[place.name]
    else:
        container.old[place.name].remove(blob)
    current = version_of(container.objects.get(place.name))
    named = {"x-object-version-id": place.version, "x-object-current-version-id": current}
    return Reply(204, {"content-type": HTML, **named})


def listed(container: Container, request: Request) -> Iterator[tuple[str, Blob | None, bool]]:
    """Yield all versions after the markers of a request: name, version, whether it is the latest.

    A name that stands for several, because of a delimiter, has no version.
    """
    query, names = request.query, container.all_names()
    marker, version_marker = query.get("marker", ""), query.get("version_marker", "")
    page, _ = names.page(
        len(names),
        prefix=query.get("prefix", ""),
        delimiter=query.get("delimiter", ""),
        start=marker,
        end=query.get("end_marker", ""),
    )
    for name, is_prefix in page:
        if is_prefix:
            if name != marker:
                yield name, None, False
            continue
        versions = sorted(container.versions(name), key=version_of, reverse=True)
        latest = [container.objects.get(name), versions[0] if is_marker(versions[0]) else None]
        for blob in versions:
            if name != marker or (version_marker and version_of(blob) < version_marker):
                yield name, blob, blob in latest
