"""Swift's large objects, static (a manifest lists the segments) or dynamic (a prefix), and bulk deletes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.parse import unquote

import msgspec

from polycloud.sandbox.objects.content import Content
from polycloud.sandbox.objects.http import Refusal, Reply, Request, wanted_range
from polycloud.sandbox.objects.store import Blob
from polycloud.sandbox.openstack.swift import versions
from polycloud.sandbox.openstack.swift.places import JSON, Account, Place, Stores, plain, refusal, stamp

_JSON = "application/json"
STATIC = "x-static-large-object"
MOST_SEGMENTS, MOST_DELETES = 1000, 10000
_DEPTH = 10
_FIELDS = {"path", "etag", "size_bytes", "range", "data"}


@dataclass(frozen=True)
class Large:
    """A static large object: its segments as its manifest names them, and what that amounts to."""

    segments: tuple[dict[str, Any], ...]
    etag: str
    size: int


def find(stores: Stores, place: Place) -> Blob:
    """Return the object at a place. Raises `Refusal` where there is none, or its time is over."""
    blob = versions.find(place)
    if (
        blob is None
        or versions.is_marker(blob)
        or float(blob.headers.get("x-delete-at", "inf")) <= stores.now
    ):
        raise refusal(404)
    return blob


def _named(account: Account, path: str) -> Place:
    container, _, name = path.lstrip("/").partition("/")
    return Place("", account, container, name)


# Reading


def joined(account: Account, blob: Blob, depth: int = _DEPTH) -> tuple[Content, str]:
    """Return the bytes of an object, which may be those of others, and its etag as a header has it.

    Raises:
        Refusal: a segment is missing, was changed, or has segments that have segments, and so on.
    """
    if not depth:
        raise refusal(409)
    if "large" in blob.extra:
        return _static(account, blob.extra["large"], depth)
    if "x-object-manifest" in blob.headers:
        place = _named(account, unquote(blob.headers["x-object-manifest"]))
        names, _ = place.container.objects.page(len(place.container.objects), prefix=place.name)
        parts = [joined(account, place.container.objects[name], depth - 1) for name, _ in names]
        etags = "".join(etag.strip('"') for _, etag in parts)
        return sum((content for content, _ in parts), Content()), f'"{_md5(etags)}"'
    return blob.content, blob.etag


def _static(account: Account, large: Large, depth: int) -> tuple[Content, str]:
    content = Content()
    for segment in large.segments:
        if "data" in segment:
            content += Content.of(base64.b64decode(segment["data"]))
            continue
        part = _Segment.of(account, segment, depth)
        if part.problem:
            raise refusal(409)
        content += part.content
    return content, f'"{large.etag}"'


@dataclass(frozen=True)
class _Segment:
    """A segment as it is now: its bytes that count, the etag and size of the object, and what is wrong."""

    content: Content
    etag: str = ""
    size: int = 0
    problem: str | None = None

    @classmethod
    def of(cls, account: Account, named: Mapping[str, Any], depth: int = _DEPTH) -> Self:
        """Return the segment that a manifest names."""
        place = _named(account, named["path"])
        container = account.containers.get(place.container_name)
        if container is None or place.name not in container.objects:
            return cls(Content(), problem="404 Not Found")
        content, etag = joined(account, container.objects[place.name], depth - 1)
        etag, size, problem = etag.strip('"'), content.size, None
        if named.get("size_bytes", size) != size:
            problem = "Size Mismatch"
        elif named.get("etag", etag) != etag:
            problem = "Etag Mismatch"
        elif "range" in named:
            try:
                content = content.part(*(wanted_range(f"bytes={named['range']}", size) or (0, size)))
            except IndexError:
                problem = "Unsatisfiable Range"
        return cls(content, etag, size, problem)


def manifest(blob: Blob, *, is_raw: bool) -> tuple[Blob, str]:
    """Return the manifest of a large object as an object, and its etag; a raw one can be uploaded again."""
    if not is_raw:
        return replace(blob, headers={**blob.headers, "content-type": JSON}), blob.etag
    rows = [dict(sorted(segment.items())) for segment in blob.extra["large"].segments]
    content = Content.of(msgspec.json.encode(rows))
    return replace(blob, content=content), content.md5.hex()


# Writing


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _parsed(body: bytes) -> list[dict[str, Any]]:
    """Return the segments that a manifest names. Raises `Refusal`."""
    try:
        segments = msgspec.json.decode(body)
    except msgspec.DecodeError:
        raise refusal(400, "Manifest must be valid JSON.\n") from None
    if not isinstance(segments, list):
        raise refusal(400, "Manifest must be a list.\n")
    if len(segments) > MOST_SEGMENTS:
        raise refusal(413, f"Number of segments must be <= {MOST_SEGMENTS}")
    for number, segment in enumerate(segments):
        problem = _problem(segment)
        if problem:
            raise refusal(400, f"Index {number}: {problem}\n")
    return segments


def _problem(segment: Any) -> str:
    """Return why something cannot be a segment; empty if it can."""
    if not isinstance(segment, dict):
        return "not a JSON object"
    if names := sorted(segment.keys() - _FIELDS):
        return f'extraneous keys "{names[0]}"'
    if isinstance(segment.get("data"), str):
        try:
            base64.b64decode(segment["data"], validate=True)
        except binascii.Error:
            return "data must be valid base64"
    elif not isinstance(segment.get("path"), str):
        return 'expected keys to include one of "path", "data"'
    elif "/" not in segment["path"].lstrip("/"):
        return "path does not refer to an object. Path must be of the form /container/object."
    return ""


def join(request: Request, place: Place, blob: Blob) -> None:
    """Make a new object a static large object of the segments that its content names. Raises `Refusal`."""
    segments, problems, etags, size = [], [], "", 0
    for given in _parsed(request.body):
        segment = {name: value for name, value in given.items() if value is not None}
        if "data" in segment:
            data = base64.b64decode(segment["data"])
            etags += hashlib.md5(data, usedforsecurity=False).hexdigest()
            size += len(data)
        else:
            part = _Segment.of(place.account, segment)
            if part.problem:
                problems.append([segment["path"], part.problem])
                continue
            segment |= {"etag": part.etag, "size_bytes": part.size}
            etags += f"{part.etag}:{segment['range']};" if "range" in segment else part.etag
            size += part.content.size
        segments.append(segment)
    if problems:
        raise Refusal(_problems(request, problems))
    blob.extra["large"] = Large(tuple(segments), _md5(etags), size)
    blob.headers[STATIC] = "True"
    blob.content = Content.of(msgspec.json.encode([_shown(place, segment) for segment in segments]))


def _shown(place: Place, segment: dict[str, Any]) -> dict[str, Any]:
    """Return a segment as a manifest shows it."""
    if "data" in segment:
        return segment
    at = _named(place.account, segment["path"])
    blob = at.container.objects[at.name]
    return {
        "name": segment["path"],
        "bytes": segment["size_bytes"],
        "hash": segment["etag"],
        "content_type": blob.headers["content-type"],
        "last_modified": stamp(math.ceil(blob.changed)),
        **({"range": segment["range"]} if "range" in segment else {}),
        **({"sub_slo": True} if "large" in blob.extra else {}),
    }


# Deletes


def delete_all(stores: Stores, request: Request, place: Place) -> Reply:
    """Delete a static large object, or a version of one, and its segments."""
    own = f"/{place.container_name}/{place.name}"
    blob = versions.find(place)
    if blob and "large" not in blob.extra:
        return _report(request, 0, 0, [[own, "Not an SLO manifest"]])
    segments = blob.extra["large"].segments if blob else ()
    paths = [one["path"] for one in segments if "path" in one]
    if not (blob and place.version):
        return _delete(stores, request, place.account, [*paths, own])
    versions.delete(place)
    return _delete(stores, request, place.account, paths, deleted=1)


def bulk_delete(stores: Stores, request: Request, place: Place) -> Reply:
    """Delete the objects and empty containers whose paths the lines of a request are."""
    paths = [unquote(line) for line in request.body.decode().splitlines() if line.strip()]
    if len(paths) > MOST_DELETES:
        raise refusal(413, f"Maximum Bulk Deletes: {MOST_DELETES} per request")
    return _delete(stores, request, place.account, paths)


def _delete(
    stores: Stores, request: Request, account: Account, paths: Sequence[str], deleted: int = 0
) -> Reply:
    missing, errors = 0, []
    for path in paths:
        place = _named(account, path)
        container = account.containers.get(place.container_name)
        if container is None or (place.name and place.name not in container.objects):
            missing += 1
        elif place.name:
            versions.put(stores, container, place.name, None)
            deleted += 1
        elif container.objects or any(container.old.values()):
            errors.append([path, "409 Conflict"])
        else:
            del account.containers[container.name]
            deleted += 1
    return _report(request, deleted, missing, errors, "" if paths or deleted else "Invalid bulk delete.")


def _report(
    request: Request, deleted: int, missing: int, errors: list[list[str]], problem: str = ""
) -> Reply:
    shown = {
        "Number Deleted": deleted,
        "Number Not Found": missing,
        "Response Body": problem,
        "Response Status": "400 Bad Request" if errors or problem else "200 OK",
    }
    if _wants_json(request):
        return Reply(200, {"content-type": _JSON}, msgspec.json.encode({**shown, "Errors": errors}))
    return plain(200, text="".join(f"{name}: {value}\n" for name, value in shown.items()) + _lines(errors))


def _problems(request: Request, problems: list[list[str]]) -> Reply:
    if _wants_json(request):
        return Reply(400, {"content-type": _JSON}, msgspec.json.encode({"Errors": problems}))
    return plain(400, text=_lines(problems))


def _wants_json(request: Request) -> bool:
    return _JSON in request.headers.get("accept", "")


def _lines(problems: list[list[str]]) -> str:
    return "Errors:\n" + "".join(f"{path}, {problem}\n" for path, problem in problems)
