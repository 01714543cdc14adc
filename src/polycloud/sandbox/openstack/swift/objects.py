"""Swift's objects: uploads, downloads, metadata, copies."""

from __future__ import annotations

import math
import mimetypes
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import quote, unquote

from polycloud.sandbox.objects.content import Content
from polycloud.sandbox.objects.http import Reply, Request, http_date, unmet, wanted_range
from polycloud.sandbox.objects.store import Blob
from polycloud.sandbox.openstack.swift import large, versions
from polycloud.sandbox.openstack.swift.places import (
    HTML,
    Handler,
    Place,
    Stores,
    check_metadata,
    plain,
    refusal,
)

_META = "x-object-meta-"
_KEPT = (
    "content-encoding",
    "content-disposition",
    "content-language",
    "cache-control",
    "expires",
    "x-delete-at",
    "x-object-manifest",
)
_COPIED = "x-copied-from"


def _changed(blob: Blob) -> int:
    """Return when an object was changed, in the whole seconds of HTTP's dates."""
    return math.ceil(blob.changed)


def _metadata(request: Request) -> dict[str, str]:
    return {f"{_META}{name}": value for name, value in request.prefixed(_META).items()}


def _kept(stores: Stores, request: Request) -> dict[str, str]:
    """Return the headers that are kept, with the time of deletion."""
    headers = {name: request.headers[name] for name in _KEPT if request.headers.get(name)}
    for name, since in (("x-delete-at", 0.0), ("x-delete-after", stores.now)):
        text = request.headers.get(name)
        if text is None:
            continue
        if not text.isdecimal():
            raise refusal(400, f"Non-integer {name.title()}")
        if since + int(text) <= stores.now:
            raise refusal(400, f"{name.title()} in past")
        headers["x-delete-at"] = str(int(since + int(text)))
    return headers


# Downloads


def _get(stores: Stores, request: Request, place: Place) -> Reply:
    blob = large.find(stores, place)
    if blob.extra.get("large") and request.query.get("multipart-manifest") == "get":
        return _wanted(request, *large.manifest(blob, is_raw=request.query.get("format") == "raw"))
    if request.method == "HEAD" and "large" in blob.extra:
        # The segments are not looked at.
        content, etag = Content(), f'"{blob.extra["large"].etag}"'
        blob = replace(blob, headers={**blob.headers, "content-length": str(blob.extra["large"].size)})
    else:
        content, etag = large.joined(place.account, blob)
    headers = {**blob.headers, **versions.headers_of(place, blob)}
    if "large" in blob.extra:
        headers["x-manifest-etag"] = blob.etag
    return _wanted(request, replace(blob, content=content, headers=headers), etag)


def _wanted(request: Request, blob: Blob, etag: str) -> Reply:
    """Return what a request wants of an object: all, a range, or nothing as a condition is not met."""
    is_temporary = "temp_url_sig" in request.query
    headers = {
        **({} if is_temporary else blob.metadata),
        **blob.headers,
        "etag": etag,
        "last-modified": http_date(_changed(blob)),
        "x-timestamp": f"{blob.changed:.5f}",
        "accept-ranges": "bytes",
    }
    if is_temporary and request.method == "GET":
        headers["content-disposition"] = _disposition(request, blob)
    status = unmet(request, etag.strip('"'), _changed(blob))
    if status:
        kind = blob.headers["content-type"] if status == HTTPStatus.NOT_MODIFIED else HTML
        return Reply(status, {**headers, "content-type": kind, "content-length": "0"})
    size = blob.content.size
    if request.method == "HEAD":
        return Reply(200, headers, blob.content)
    try:
        wanted = wanted_range(request.headers.get("range"), size)
    except IndexError:
        return plain(416, {**headers, "content-range": f"bytes */{size}"})
    if wanted is None:
        return Reply(200, headers, blob.content)
    start, end = wanted
    headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
    return Reply(206, headers, blob.content.part(start, end))


def _disposition(request: Request, blob: Blob) -> str:
    """Return how a browser is to treat what a temporary URL leads to."""
    kind = "inline" if "inline" in request.query else "attachment"
    if kind == "inline" and "filename" not in request.query:
        return kind
    name = request.query.get("filename") or blob.name.rpartition("/")[2]
    plain_name = quote(name, safe=" /").replace('"', '\\"')
    return f"{kind}; filename=\"{plain_name}\"; filename*=UTF-8''{quote(name, safe='')}"


# Uploads


def _put(stores: Stores, request: Request, place: Place) -> Reply:
    headers, container = request.headers, place.container
    check_metadata(request, "object")
    if "x-copy-from" in headers:
        if request.content.size:
            raise refusal(400, "Copy requests require a zero byte body")
        source = _other(place, headers["x-copy-from"], "X-Copy-From")
        return _copy(stores, request, replace(source, version=place.version), place)
    if place.version:
        return versions.restore(stores, request, place)
    condition = headers.get("if-none-match")
    if condition not in {None, "*"}:
        raise refusal(400, "If-None-Match only supports *")
    if condition and place.name in container.objects:
        raise refusal(412)
    if "content-length" not in headers and "transfer-encoding" not in headers:
        raise refusal(411, "Missing Content-Length header.")
    blob = Blob(
        name=place.name,
        content=request.content,
        headers={"content-type": _type(request, place.name), **_kept(stores, request)},
        metadata=_metadata(request),
        created=stores.now,
        changed=stores.now,
        etag="",
    )
    if request.query.get("multipart-manifest") == "put":
        large.join(request, place, blob)
    return _add(stores, request, place, blob)


def _type(request: Request, name: str) -> str:
    guessed = mimetypes.guess_type(name)[0]
    return request.headers.get("content-type") or guessed or "application/octet-stream"


def _add(
    stores: Stores, request: Request, place: Place, blob: Blob, more: Mapping[str, str] | None = None
) -> Reply:
    """Put an object into its container, if its bytes are those that the header ETag names."""
    if blob.content.size > stores.settings.largest_object:
        raise refusal(413, "Your request is too large.")
    blob.etag = blob.content.md5.hex()
    joined = blob.extra.get("large")
    etag = f'"{joined.etag}"' if joined else blob.etag
    if request.headers.get("etag", etag).strip('"').lower() != etag.strip('"'):
        raise refusal(422)
    version = versions.put(stores, place.container, place.name, blob)
    headers = {"content-type": HTML, "etag": etag, "last-modified": http_date(_changed(blob))}
    return Reply(201, {**headers, **version, **(more or {})})


def _post(stores: Stores, request: Request, place: Place) -> Reply:
    if place.version:
        raise refusal(400, "POST to a specific version is not allowed")
    blob = large.find(stores, place)
    check_metadata(request, "object")
    lasting = {name: blob.headers[name] for name in ("content-type", large.STATIC) if name in blob.headers}
    if request.headers.get("content-type"):
        lasting["content-type"] = request.headers["content-type"]
    blob.headers = {**lasting, **_kept(stores, request)}
    blob.metadata, blob.changed = _metadata(request), stores.now
    return plain(202)


def _delete(stores: Stores, request: Request, place: Place) -> Reply:
    if request.query.get("multipart-manifest") == "delete":
        return large.delete_all(stores, request, place)
    if place.version:
        return versions.delete(place)
    if not place.container.extra.get("versions"):
        large.find(stores, place)
    version = versions.put(stores, place.container, place.name, None)
    return Reply(204, {"content-type": HTML, **version})


# Copies


def _other(place: Place, header: str, name: str) -> Place:
    """Return the place that a header names, in the same account. Raises `Refusal`."""
    container, _, key = unquote(header).lstrip("/").partition("/")
    if not container or not key:
        raise refusal(412, f"{name} header must be of the form <container name>/<object name>")
    return replace(place, container_name=container, name=key, version="")


def _copy_to(stores: Stores, request: Request, place: Place) -> Reply:
    if "destination" not in request.headers:
        raise refusal(412, "Destination header required")
    return _copy(stores, request, place, _other(place, request.headers["destination"], "Destination"))


def _copy(stores: Stores, request: Request, source: Place, target: Place) -> Reply:
    check_metadata(request, "object")
    old = large.find(stores, source)
    is_manifest = request.query.get("multipart-manifest") == "get" and "large" in old.extra
    content, etag = large.joined(source.account, old)
    # Conditions are about the source.
    status = unmet(replace(request, method="GET"), etag.strip('"'), _changed(old))
    if status:
        return Reply(status, {"etag": etag, "content-length": "0"})
    content = old.content if is_manifest else content
    is_fresh = request.headers.get("x-fresh-metadata", "").lower() in {"true", "1", "yes", "on"}
    headers = {name: value for name, value in old.headers.items() if name in _KEPT and not is_fresh}
    headers["content-type"] = request.headers.get("content-type") or old.headers["content-type"]
    headers.pop("x-object-manifest", None)
    blob = Blob(
        name=target.name,
        content=content,
        headers={**headers, **_kept(stores, request), **({large.STATIC: "True"} if is_manifest else {})},
        metadata={**({} if is_fresh else old.metadata), **_metadata(request)},
        created=stores.now,
        changed=stores.now,
        etag="",
        extra=dict(old.extra) if is_manifest else {},
    )
    copied = {
        f"{_COPIED}-account": source.account_name,
        _COPIED: quote(f"{source.container_name}/{source.name}"),
        f"{_COPIED}-last-modified": http_date(_changed(old)),
        **blob.metadata,
    }
    return _add(stores, request, target, blob, copied)


HANDLERS: dict[str, Handler] = {
    "GET": _get,
    "HEAD": _get,
    "PUT": _put,
    "POST": _post,
    "DELETE": _delete,
    "COPY": _copy_to,
}
"""What can be done with an object, by method."""
