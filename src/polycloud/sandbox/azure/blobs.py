"""Azure's blobs: put, get, properties, metadata, copies, delete."""

from __future__ import annotations

import base64
import hashlib
import uuid
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from polycloud.sandbox.azure.account import Account, Place, metadata, shown_metadata, stamps
from polycloud.sandbox.azure.words import refusal
from polycloud.sandbox.objects.content import Content
from polycloud.sandbox.objects.http import Refusal, Reply, Request, http_date, unmet, wanted_range
from polycloud.sandbox.objects.store import Blob

_LONGEST_NAME = 1024
_PROPERTIES = (
    "content-type",
    "content-encoding",
    "content-language",
    "content-md5",
    "content-disposition",
    "cache-control",
)
_RESPONSE = {
    "rscc": "cache-control",
    "rscd": "content-disposition",
    "rsce": "content-encoding",
    "rscl": "content-language",
    "rsct": "content-type",
}
_MOST_RANGE_MD5 = 4 << 20
_KEY, _KEY_HASH = "x-ms-encryption-key", "x-ms-encryption-key-sha256"


# What several operations share


def check(request: Request, blob: Blob | None) -> None:
    """Raise `Refusal` unless a request's conditions are met; `blob` is what there is now."""
    status = unmet(request, blob.etag if blob else None, blob.changed if blob else 0)
    if status == HTTPStatus.NOT_MODIFIED and blob:
        raise Refusal(Reply(status, {**stamps(blob), "x-ms-error-code": "ConditionNotMet"}))
    if status:
        is_there = request.headers.get("if-none-match") == "*" and blob is not None
        raise refusal("BlobAlreadyExists" if is_there and not request.is_read else "ConditionNotMet")


def b64_md5(content: Content) -> str:
    """Return a MD5 as headers have it."""
    return base64.b64encode(content.md5).decode()


def check_md5(request: Request, content: Content) -> None:
    """Raise `Refusal` if the body is not what its MD5 says."""
    given = request.headers.get("content-md5")
    if given is None:
        return
    try:
        decoded = base64.b64decode(given, validate=True)
    except ValueError:
        decoded = b""
    if len(decoded) != hashlib.md5(usedforsecurity=False).digest_size:
        raise refusal("InvalidMd5")
    if decoded != content.md5:
        raise refusal("Md5Mismatch")


def key_hash(request: Request) -> str:
    """Return the SHA-256 of the key with which the customer encrypts; empty without one. Raises `Refusal`."""
    key, given = request.headers.get(_KEY), request.headers.get(_KEY_HASH, "")
    if key is None:
        return ""
    try:
        digest = base64.b64encode(hashlib.sha256(base64.b64decode(key, validate=True)).digest()).decode()
    except ValueError:
        digest = ""
    if digest != given or request.headers.get("x-ms-encryption-algorithm") != "AES256":
        raise refusal("InvalidHeaderValue")
    return digest


def check_encryption(request: Request, blob: Blob) -> dict[str, str]:
    """Return the headers about a blob's encryption. Raises `Refusal` without its key."""
    wanted, given = blob.extra["key"], key_hash(request)
    if wanted and not given:
        raise refusal("BlobUsesCustomerSpecifiedEncryption")
    if wanted != given:
        raise refusal("BlobCustomerSpecifiedEncryptionMismatch")
    return encrypted("server", wanted)


def encrypted(prefix: str, digest: str) -> dict[str, str]:
    """Return the headers that say with which key something is encrypted."""
    return {f"x-ms-{prefix}-encrypted": "true", **({_KEY_HASH: digest} if digest else {})}


def properties(request: Request, *, is_upload: bool = False) -> dict[str, str]:
    """Return the properties that a request gives a blob; an upload's own headers count too."""
    found = {name: request.headers.get(f"x-ms-blob-{name}", "") for name in _PROPERTIES}
    if is_upload:
        found = {name: value or request.headers.get(name, "") for name, value in found.items()}
    found["content-type"] = found["content-type"] or "application/octet-stream"
    return {name: value for name, value in found.items() if value}


def new_blob(account: Account, request: Request, place: Place, content: Content, **more: Any) -> Blob:
    """Put a blob into its container in place of what was there; return it."""
    old = place.container.objects.get(place.blob_name)
    check(request, old)
    if len(place.blob_name) > _LONGEST_NAME:
        raise refusal("InvalidUri")
    created = old.created if old else account.now
    given = {"headers": properties(request), "metadata": metadata(request), **more}
    blob = Blob(name=place.blob_name, content=content, created=created, changed=created, etag="", **given)
    blob.extra.setdefault("key", key_hash(request))
    place.keep()
    account.touch(blob)
    place.container.objects[place.blob_name] = blob
    place.container.extra["blocks"].pop(place.blob_name, None)
    return blob


# Operations


def put(account: Account, request: Request, place: Place) -> Reply:
    """Put a blob as a whole, or copy one."""
    if "x-ms-copy-source" in request.headers:
        return _copy(account, request, place)
    kind = request.headers.get("x-ms-blob-type")
    if kind is None:
        raise refusal("MissingRequiredHeader")
    if kind != "BlockBlob":
        raise refusal("InvalidHeaderValue")
    content = request.content
    check_md5(request, content)
    headers = properties(request, is_upload=True)
    headers["content-md5"] = request.headers.get("x-ms-blob-content-md5") or b64_md5(content)
    blob = new_blob(account, request, place, content, headers=headers)
    more = {"content-md5": b64_md5(content), **encrypted("request-server", blob.extra["key"])}
    return Reply(201, {**stamps(blob), **more})


def get(_: Account, request: Request, place: Place) -> Reply:
    """Return a blob, its properties, or a range of it."""
    blob = place.blob
    check(request, blob)
    is_current = "version" in blob.extra and blob is place.container.objects.get(place.blob_name)
    headers = {
        **({"x-ms-is-current-version": "true"} if is_current else {}),
        **stamps(blob),
        **blob.headers,
        **shown_metadata(blob),
        **blob.extra.get("copy", {}),
        **{name: request.query[key] for key, name in _RESPONSE.items() if key in request.query},
        **check_encryption(request, blob),
        "x-ms-blob-type": "BlockBlob",
        "x-ms-creation-time": http_date(blob.created),
        "x-ms-lease-status": "unlocked",
        "x-ms-lease-state": "available",
        "accept-ranges": "bytes",
    }
    if request.method == "HEAD" or request.query.get("comp"):
        return Reply(200, headers, blob.content if request.method == "HEAD" else b"")
    size = blob.content.size
    text = request.headers.get("x-ms-range") or request.headers.get("range")
    try:
        wanted = wanted_range(text, size)
    except IndexError:
        raise refusal("InvalidRange", content_range=f"bytes */{size}") from None
    if wanted is None:
        return Reply(200, headers, blob.content)
    part = blob.content.part(*wanted)
    if "content-md5" in headers:
        headers["x-ms-blob-content-md5"] = headers.pop("content-md5")
    if request.headers.get("x-ms-range-get-content-md5", "").lower() == "true":
        if part.size > _MOST_RANGE_MD5:
            raise refusal("OutOfRangeInput")
        headers["content-md5"] = b64_md5(part)
    headers["content-range"] = f"bytes {wanted[0]}-{wanted[1] - 1}/{size}"
    return Reply(206, headers, part)


def delete(_: Account, request: Request, place: Place) -> Reply:
    """Delete a blob."""
    container, name, blob = place.container, place.blob_name, place.blob
    check(request, blob)
    if not place.version:
        place.keep()
        del container.objects[name]
        return Reply(202, {"x-ms-delete-type-permanent": "false" if container.versions(name) else "true"})
    if blob is container.objects.get(name):
        raise refusal("OperationNotAllowedOnRootBlob")
    container.old[name].remove(blob)
    return Reply(202, {"x-ms-delete-type-permanent": "true"})


def set_metadata(account: Account, request: Request, place: Place) -> Reply:
    """Replace a blob's metadata."""
    check(request, place.blob)
    check_encryption(request, place.blob)
    given = metadata(request)
    place.keep()
    place.blob.metadata = given
    return Reply(200, {**account.touch(place.blob), **encrypted("request-server", place.blob.extra["key"])})


def set_properties(account: Account, request: Request, place: Place) -> Reply:
    """Replace a blob's properties: those that the request does not give are cleared."""
    check(request, place.blob)
    place.blob.headers = properties(request)
    return Reply(200, account.touch(place.blob))


# Copies


def source_of(account: Account, request: Request) -> Blob:
    """Return the blob that a copy is made of, which must be in this account. Raises `Refusal`."""
    url = urlsplit(request.headers["x-ms-copy-source"])
    _, name, container, blob_name = [*unquote(url.path).split("/", 3), "", "", ""][:4]
    if name != account.settings.account or not blob_name or parse_qs(url.query).get("snapshot"):
        raise refusal("CannotVerifyCopySource")
    version = parse_qs(url.query).get("versionid", [""])[0]
    blob = Place(account, container, blob_name, version).blob
    conditions = request.prefixed("x-ms-source-")
    read = Request(request.method, "", request.query, conditions, Content(), "")
    if unmet(read, blob.etag, blob.changed):
        raise refusal("ConditionNotMet")
    return blob


def _copy(account: Account, request: Request, place: Place) -> Reply:
    source = source_of(account, request)
    is_put = request.headers.get("x-ms-blob-type") == "BlockBlob"
    copied = {
        "x-ms-copy-id": str(uuid.uuid4()),
        "x-ms-copy-status": "success",
    }
    size = source.content.size
    details = {
        "x-ms-copy-source": request.headers["x-ms-copy-source"].partition("?")[0],
        "x-ms-copy-progress": f"{size}/{size}",
        "x-ms-copy-completion-time": http_date(account.now),
    }
    headers = dict(source.headers)
    if is_put:
        given = {name: request.headers.get(f"x-ms-blob-{name}") for name in _PROPERTIES}
        headers |= {name: value for name, value in given.items() if value}
    blob = new_blob(
        account,
        request,
        place,
        source.content,
        headers=headers,
        metadata=metadata(request) or dict(source.metadata),
        extra={} if is_put else {"copy": {**copied, **details}},
    )
    if is_put:
        return Reply(201, {**stamps(blob), **encrypted("request-server", blob.extra["key"])})
    return Reply(202, {**stamps(blob), **copied})
