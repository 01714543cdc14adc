"""Google's objects: resources, media, changes, copies."""

from __future__ import annotations

import base64
import gzip
import hashlib
import secrets
import zlib
from typing import Any
from urllib.parse import quote

from polycloud.sandbox.google import access
from polycloud.sandbox.google.buckets import page
from polycloud.sandbox.google.project import Project, check, etag
from polycloud.sandbox.google.words import body_of, invalid, json_reply, merged, refusal, stamp
from polycloud.sandbox.objects.content import Content
from polycloud.sandbox.objects.http import Reply, Request, http_date, unmet, wanted_range
from polycloud.sandbox.objects.store import Blob, Container, Names

_LONGEST_NAME = 1024
_KEY = "x-goog-encryption-"
_SOURCE_KEY = "x-goog-copy-source-encryption-"
_MOST_SOURCES = 32
SETTABLE = {
    "cacheControl": "cache-control",
    "contentDisposition": "content-disposition",
    "contentEncoding": "content-encoding",
    "contentLanguage": "content-language",
    "contentType": "content-type",
}
"""The fields that an upload or a change may give, with the headers that media have of them."""


def b64(digest: bytes) -> str:
    """Return a checksum as resources have it."""
    return base64.b64encode(digest).decode()


# Resources


def show(project: Project, bucket: Container, blob: Blob, query: Any) -> dict[str, Any]:
    """Return the resource of an object."""
    at = f"/storage/v1/b/{bucket.name}/o/{quote(blob.name, safe='')}"
    generation = str(blob.extra["generation"])
    key = blob.extra.get("key")
    parts = blob.extra.get("parts")
    shown: dict[str, Any] = {
        "kind": "storage#object",
        "id": f"{bucket.name}/{blob.name}/{generation}",
        "selfLink": f"{project.root}{at}",
        "mediaLink": f"{project.root}/download{at}?generation={generation}&alt=media",
        "name": blob.name,
        "bucket": bucket.name,
        "generation": generation,
        "metageneration": str(blob.extra["metageneration"]),
        "storageClass": bucket.extra["fields"]["storageClass"],
        "size": str(blob.content.size),
        "etag": etag(blob),
        "timeCreated": stamp(blob.created),
        "updated": stamp(blob.changed),
        "timeStorageClassUpdated": stamp(blob.created),
        **blob.headers,
        **({"metadata": blob.metadata} if blob.metadata else {}),
        **({"componentCount": parts} if parts else {"md5Hash": b64(blob.content.md5)}),
        "crc32c": b64(blob.content.crc32c),
    }
    if "deleted" in blob.extra:
        shown["timeDeleted"] = stamp(blob.extra["deleted"])
    if key:
        shown["customerEncryption"] = {"encryptionAlgorithm": "AES256", "keySha256": key}
    if query.get("projection") == "full":
        shown["acl"] = blob.extra["acl"]
        shown["owner"] = {"entity": f"user-{project.email}"}
    return shown


def new_blob(
    project: Project, request: Request, bucket_name: str, body: dict[str, Any], content: Content, **more: Any
) -> Reply:
    """Put a new object into a bucket, if the request's preconditions and checksums permit.

    Args:
        project: the project.
        request: the request, whose query and headers count.
        bucket_name: the bucket.
        body: the fields of the object.
        content: its bytes.
        more: what else only the sandbox keeps.
    """
    bucket, query = project.bucket(bucket_name), request.query
    name = str(body.get("name") or query.get("name") or "")
    check_name(name)
    check(query, bucket.objects.get(name))
    named = query.get("predefinedAcl", query.get("destinationPredefinedAcl"))
    acl = access.predefined(project, bucket, named)
    for field, actual in (("md5Hash", content.md5), ("crc32c", content.crc32c)):
        if body.get(field) not in {None, b64(actual)}:
            kind = "MD5 hash" if field == "md5Hash" else "CRC32C"
            raise invalid(
                f'Provided {kind} "{body[field]}" doesn\'t match calculated {kind} "{b64(actual)}".'
            )
    fields, metadata = _settable(body)
    extra = {"acl": acl or bucket.extra["default"], "key": key_hash(request, _KEY), **more}
    blob = Blob(
        name=name, content=content, headers=fields, metadata=metadata, created=0, changed=0, extra=extra
    )
    project.add(bucket, blob)
    return json_reply(show(project, bucket, blob, query))


def _settable(body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    metadata = body.get("metadata") or {}
    if not isinstance(metadata, dict) or not all(isinstance(one, str) for one in metadata.values()):
        raise invalid("Invalid value for metadata.")
    fields = {name: body[name] for name in (*SETTABLE, "customTime") if body.get(name)}
    return {"contentType": "application/octet-stream", **fields}, metadata


def check_name(name: str) -> None:
    """Raise `Refusal` unless an object can have a name."""
    if not name:
        raise refusal(400, "required", "Required parameter: name")
    is_long = len(name.encode()) > _LONGEST_NAME
    if (
        is_long
        or name in {".", ".."}
        or {"\r", "\n"} & set(name)
        or name.startswith(".well-known/acme-challenge/")
    ):
        raise invalid(f"Invalid object name: '{name[:_LONGEST_NAME]}'")


def key_hash(request: Request, prefix: str) -> str:
    """Return the SHA-256 of the key with which the customer encrypts; empty without one. Raises `Refusal`."""
    key = request.headers.get(f"{prefix}key")
    if key is None:
        return ""
    try:
        digest = b64(hashlib.sha256(base64.b64decode(key, validate=True)).digest())
    except ValueError:
        digest = ""
    given = request.headers.get(f"{prefix}key-sha256"), request.headers.get(f"{prefix}algorithm")
    if given != (digest, "AES256"):
        raise refusal(
            400, "customerEncryptionKeySha256IsInvalid", "The encryption key or its hash is invalid."
        )
    return digest


def _check_key(request: Request, blob: Blob, prefix: str) -> None:
    wanted, given = blob.extra.get("key", ""), key_hash(request, prefix)
    if wanted and not given:
        text = "The target object is encrypted by a customer-supplied encryption key."
        raise refusal(400, "resourceIsEncryptedWithCustomerEncryptionKey", text)
    if wanted != given:
        reason = (
            "customerEncryptionKeyIsIncorrect" if wanted else "resourceNotEncryptedWithCustomerEncryptionKey"
        )
        raise refusal(400, reason, "The provided encryption key is incorrect.")


# Reading


def get(project: Project, request: Request, bucket: str, name: str) -> Reply:
    """Return an object's resource, or its bytes."""
    blob = project.object(bucket, name, request.query.get("generation"))
    check(request.query, blob, is_read=True)
    status = unmet(request, etag(blob), blob.changed)
    if status:
        return Reply(status)
    if request.query.get("alt") == "media" or request.path.startswith("/download/"):
        return media(request, blob, etag(blob))
    return json_reply(show(project, project.bucket(bucket), blob, request.query))


def media(request: Request, blob: Blob, tag: str) -> Reply:
    """Return the bytes of an object, or a range of them. Raises `Refusal`."""
    _check_key(request, blob, _KEY)
    content = blob.content
    hashes = [
        f"crc32c={b64(content.crc32c)}",
        *([] if "parts" in blob.extra else [f"md5={b64(content.md5)}"]),
    ]
    headers = {
        **{header: blob.headers[name] for name, header in SETTABLE.items() if name in blob.headers},
        "etag": tag,
        "last-modified": http_date(blob.changed),
        "accept-ranges": "bytes",
        "x-goog-generation": str(blob.extra["generation"]),
        "x-goog-metageneration": str(blob.extra["metageneration"]),
        "x-goog-hash": ",".join(hashes),
        "x-goog-stored-content-encoding": blob.headers.get("contentEncoding", "identity"),
        "x-goog-stored-content-length": str(content.size),
    }
    if _is_decompressed(request, blob):
        try:
            content = Content.of(gzip.decompress(content.read()))
        except (OSError, EOFError, zlib.error):
            pass
        else:
            del headers["content-encoding"], headers["accept-ranges"]
            return Reply(200, {**headers, "warning": "214 UploadServer gunzipped"}, content)
    try:
        wanted = wanted_range(request.headers.get("range"), content.size)
    except IndexError:
        text = "Request range not satisfiable"
        raise refusal(416, "requestedRangeNotSatisfiable", text) from None
    if wanted is None or request.method == "HEAD":
        return Reply(200, headers, content)
    headers["content-range"] = f"bytes {wanted[0]}-{wanted[1] - 1}/{content.size}"
    return Reply(206, headers, content.part(*wanted))


def _is_decompressed(request: Request, blob: Blob) -> bool:
    """Return whether a client gets compressed content decompressed, as it does not say that it reads gzip."""
    return (
        blob.headers.get("contentEncoding") == "gzip"
        and "gzip" not in request.headers.get("accept-encoding", "")
        and "no-transform" not in blob.headers.get("cacheControl", "")
    )


def list_all(project: Project, request: Request, bucket: str) -> Reply:
    """List objects, with all their versions if the request asks for them."""
    container, query = project.bucket(bucket), request.query
    is_all = query.get("versions", "").lower() == "true"
    names: Names[Any] = container.all_names() if is_all else container.objects

    def view(name: str) -> list[dict[str, Any]]:
        blobs = container.versions(name) if is_all else [container.objects[name]]
        return [show(project, container, blob, query) for blob in blobs]

    return json_reply({"kind": "storage#objects", **page(project, request, names, view)})


# Changes


def patch(project: Project, request: Request, bucket: str, name: str) -> Reply:
    """Change some fields of an object, or replace all."""
    container = project.bucket(bucket)
    blob = project.object(bucket, name, request.query.get("generation"))
    check(request.query, blob)
    acl = access.predefined(project, container, request.query.get("predefinedAcl"))
    old = {**blob.headers, "metadata": blob.metadata} if request.method == "PATCH" else {}
    body = body_of(request.body)
    blob.headers, blob.metadata = _settable(merged(old, body))
    blob.extra["acl"] = acl or body.get("acl") or blob.extra["acl"]
    blob.extra["metageneration"] += 1
    blob.changed = project.now
    return json_reply(show(project, container, blob, request.query))


def delete(project: Project, request: Request, bucket: str, name: str) -> Reply:
    """Delete an object or one of its versions."""
    generation = request.query.get("generation")
    check(request.query, project.object(bucket, name, generation))
    project.remove(project.bucket(bucket), name, generation)
    return Reply(204)


# Copies


def _copied(
    project: Project, request: Request, source: tuple[str, str], target: tuple[str, str]
) -> tuple[Reply, Blob]:
    """Copy an object; return the response with its resource, and the source."""
    old = project.object(*source, request.query.get("sourceGeneration"))
    check(request.query, old, "ifSource")
    _check_key(request, old, _SOURCE_KEY if f"{_SOURCE_KEY}key" in request.headers else _KEY)
    given = body_of(request.body)
    body = {**(given or {**old.headers, "metadata": dict(old.metadata)}), "name": target[1]}
    more = {"parts": old.extra["parts"]} if "parts" in old.extra else {}
    return new_blob(project, request, target[0], body, old.content, **more), old


def copy(project: Project, request: Request, *names: str) -> Reply:
    """Copy an object at once."""
    return _copied(project, request, names[:2], names[2:])[0]  # type: ignore[arg-type]


def rewrite(project: Project, request: Request, *names: str) -> Reply:
    """Copy an object, in several requests if each may copy so many bytes only."""
    old = project.object(names[0], names[1], request.query.get("sourceGeneration"))
    size, token = old.content.size, request.query.get("rewriteToken", "")
    if token and token not in project.rewrites:
        raise invalid("Invalid rewrite token.")
    done = project.rewrites.pop(token, 0) + (request.query.number("maxBytesRewrittenPerCall", size) or size)
    shown = {"kind": "storage#rewriteResponse", "objectSize": str(size)}
    if done < size:
        token = secrets.token_urlsafe()
        project.rewrites[token] = done
        more = {"totalBytesRewritten": str(done), "done": False, "rewriteToken": token}
        return json_reply({**shown, **more})
    reply = copy(project, request, *names)
    assert isinstance(reply.body, bytes)
    more = {"totalBytesRewritten": str(size), "done": True, "resource": body_of(reply.body)}
    return json_reply({**shown, **more})


def compose(project: Project, request: Request, bucket: str, name: str) -> Reply:
    """Make an object of others, one after the other."""
    body = body_of(request.body)
    rows = body.get("sourceObjects") or []
    if not 0 < len(rows) <= _MOST_SOURCES:
        raise invalid(f"The number of source components must be from 1 to {_MOST_SOURCES}.")
    content, parts = Content(), 0
    for row in rows:
        blob = project.object(bucket, str(row.get("name")), str(row.get("generation", "")) or None)
        check({key: str(value) for key, value in row.get("objectPreconditions", {}).items()}, blob)
        _check_key(request, blob, _KEY)
        content, parts = content + blob.content, parts + blob.extra.get("parts", 1)
    destination = {**body.get("destination", {}), "name": name}
    return new_blob(project, request, bucket, destination, content, parts=parts)
