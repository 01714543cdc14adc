"""Google's uploads: media alone, media with a resource, and resumable sessions."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from email.parser import BytesParser
from typing import Any

from polycloud.sandbox.google.objects import check_name, new_blob
from polycloud.sandbox.google.project import Project, check
from polycloud.sandbox.google.words import body_of, invalid, refusal
from polycloud.sandbox.objects.content import Content
from polycloud.sandbox.objects.http import Reply, Request

_UNIT = 256 * 1024
"""Chunks, but for the last one, count in multiples of so many bytes."""
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_CANCELLED = 499


@dataclass(eq=False)
class Session:
    """A resumable upload.

    Attributes:
        request: the one that began it, whose preconditions count at the end.
        bucket: the bucket.
        body: the fields of the object.
        content: what has arrived.
        reply: the response at its end; None until then.
    """

    request: Request
    bucket: str
    body: dict[str, Any]
    content: Content
    reply: Reply | None = None


def insert(project: Project, request: Request, bucket: str) -> Reply:
    """Upload an object, or begin to."""
    kind = request.query.get("uploadType")
    project.bucket(bucket)
    if kind == "resumable":
        return _begin(project, request, bucket)
    if kind == "multipart":
        body, content_type, data = _parts(request)
    elif kind == "media":
        body, content_type, data = {}, request.headers.get("content-type"), request.content
    else:
        raise invalid(f"Invalid upload type: {kind}")
    if content_type:
        body.setdefault("contentType", content_type)
    if "contentEncoding" in request.query:
        body["contentEncoding"] = request.query["contentEncoding"]
    return new_blob(project, request, bucket, {**hashes(request), **body}, data)


def hashes(request: Request) -> dict[str, str]:
    """Return the checksums in the headers of a request, as the fields of a resource."""
    names = {"md5": "md5Hash", "crc32c": "crc32c"}
    found = {}
    for one in request.headers.get("x-goog-hash", "").split(","):
        name, _, value = one.strip().partition("=")
        if name in names:
            found[names[name]] = value
    if "content-md5" in request.headers:
        found["md5Hash"] = request.headers["content-md5"]
    return found


def _parts(request: Request) -> tuple[dict[str, Any], str | None, Content]:
    """Return the resource of an upload, the type of its media, and the bytes. Raises `Refusal`."""
    given = BytesParser().parsebytes(b"Content-Type: " + request.headers.get("content-type", "").encode())
    line = f"\r\n--{given.get_boundary()}".encode()
    # By hand, as a parser of mails may change the bytes.
    before, *parts = (b"\r\n" + request.body).split(line)
    if before or len(parts) != len(("resource", "media", "end")) or parts.pop().strip() != b"--":
        raise invalid("Multipart must have 2 parts, and an end boundary.")
    (_, _, resource), (head, _, data) = (part.lstrip(b"\r\n").partition(b"\r\n\r\n") for part in parts)
    return body_of(resource), BytesParser().parsebytes(head).get("content-type"), Content.of(data)


# Resumable sessions


def _begin(project: Project, request: Request, bucket: str) -> Reply:
    body = body_of(request.body)
    if "x-upload-content-type" in request.headers:
        body.setdefault("contentType", request.headers["x-upload-content-type"])
    name = str(body.get("name") or request.query.get("name") or "")
    check_name(name)
    check(request.query, project.bucket(bucket).objects.get(name))
    key = secrets.token_urlsafe(48)
    project.uploads[key] = Session(request, bucket, body, Content())
    location = f"{request.root}{request.path}?uploadType=resumable&upload_id={key}"
    return Reply(200, {"location": location, "x-guploader-uploadid": key})


def _session(project: Project, request: Request) -> Session:
    found = project.uploads.get(request.query.get("upload_id", ""))
    if not isinstance(found, Session):
        raise refusal(410, "gone", "The upload session is no longer available.")
    return found


def resume(project: Project, request: Request, _: str) -> Reply:
    """Take a chunk of a session, or tell how much has arrived."""
    session = _session(project, request)
    if session.reply:
        return session.reply
    had, size = session.content.size, request.content.size
    first, total = _place_of(request, size)
    if first is not None:
        if first > had:
            raise invalid(f"The upload has {had} bytes, and cannot go on at byte {first}.")
        session.content += request.content.part(had - first, size)
    if session.content.size == total:
        body = {**hashes(request), **session.body}
        session.reply = new_blob(project, session.request, session.bucket, body, session.content)
        return session.reply
    kept = session.content.size - session.content.size % _UNIT
    session.content = session.content.part(0, kept)
    return Reply(308, {"range": f"bytes=0-{kept - 1}"} if kept else {})


def _place_of(request: Request, size: int) -> tuple[int | None, int]:
    """Return where the bytes of a chunk begin, None without any, and their number in all, -1 if unknown."""
    header = request.headers.get("content-range")
    if header is None:
        return 0, size
    found = _RANGE.fullmatch(header)
    if not found:
        raise invalid(f"Invalid Content-Range header: {header}")
    total = -1 if found[3] == "*" else int(found[3])
    if not found[1]:
        return None, total
    if int(found[2]) - int(found[1]) + 1 != size:
        raise invalid("The Content-Range does not have the length of the body.")
    return int(found[1]), total


def cancel(project: Project, request: Request, _: str) -> Reply:
    """Cancel a session."""
    session = _session(project, request)
    if session.reply is None:
        project.uploads[request.query["upload_id"]] = None
    return Reply(_CANCELLED)
