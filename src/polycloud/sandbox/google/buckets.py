"""Google's buckets."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from polycloud.sandbox.google import access
from polycloud.sandbox.google.project import Project, check, etag
from polycloud.sandbox.google.words import body_of, invalid, json_reply, merged, refusal, stamp
from polycloud.sandbox.objects.http import Reply, Request
from polycloud.sandbox.objects.store import Container, Names

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_LONGEST_LABEL = 63
_FIXED = (
    "kind",
    "id",
    "name",
    "selfLink",
    "timeCreated",
    "updated",
    "metageneration",
    "etag",
    "projectNumber",
)


def show(project: Project, bucket: Container, query: Any) -> dict[str, Any]:
    """Return the resource of a bucket."""
    return {
        "kind": "storage#bucket",
        "id": bucket.name,
        "selfLink": f"{project.root}/storage/v1/b/{bucket.name}",
        "name": bucket.name,
        "projectNumber": "1",
        "timeCreated": stamp(bucket.created),
        "updated": stamp(bucket.changed),
        "metageneration": str(bucket.extra["metageneration"]),
        "etag": etag(bucket),
        **bucket.extra["fields"],
        **({"acl": bucket.extra["acl"]} if query.get("projection") == "full" else {}),
    }


def _fields(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in _FIXED and value is not None}


def insert(project: Project, request: Request) -> Reply:
    """Create a bucket."""
    body, query = body_of(request.body), request.query
    if "project" not in query:
        raise refusal(
            400, "required", "Required parameter: project", locationType="parameter", location="project"
        )
    name = str(body.get("name", ""))
    if not is_name(name):
        raise invalid(f"Invalid bucket name: '{name}'")
    if name in project.buckets:
        text = "Your previous request to create the named bucket succeeded and you already own it."
        raise refusal(409, "conflict", text)
    defaults = {"location": "US", "locationType": "multi-region", "storageClass": "STANDARD"}
    bucket = Container(name=name, metadata={}, created=project.now, changed=project.now)
    bucket.extra = {"fields": {**defaults, **_fields(body)}, "metageneration": 1, "policy": []}
    for key, parameter in (("acl", "predefinedAcl"), ("default", "predefinedDefaultObjectAcl")):
        bucket.extra[key] = access.predefined(project, bucket, query.get(parameter)) or access.owned(project)
    project.buckets[name] = bucket
    return json_reply(show(project, bucket, query))


def is_name(name: str) -> bool:
    """Return whether a bucket can have a name."""
    try:
        ip_address(name)
    except ValueError:
        labels = name.split(".")
        is_short = max(map(len, labels)) <= _LONGEST_LABEL
        is_free = not name.startswith("goog") and "google" not in name
        return bool(_NAME.fullmatch(name)) and is_short and is_free and "" not in labels
    return False


def get(project: Project, request: Request, name: str) -> Reply:
    """Show a bucket."""
    bucket = project.bucket(name)
    check(request.query, bucket, is_read=True)
    return json_reply(show(project, bucket, request.query))


def patch(project: Project, request: Request, name: str) -> Reply:
    """Change some fields of a bucket, or replace all."""
    bucket = project.bucket(name)
    check(request.query, bucket)
    body = body_of(request.body)
    acl = access.predefined(project, bucket, request.query.get("predefinedAcl"))
    old = bucket.extra["fields"] if request.method == "PATCH" else {}
    fixed = {key: bucket.extra["fields"][key] for key in ("location", "locationType", "storageClass")}
    bucket.extra["fields"] = {**fixed, **merged(old, {key: body[key] for key in body if key not in _FIXED})}
    bucket.extra["acl"] = acl or bucket.extra["acl"]
    bucket.extra["metageneration"] += 1
    bucket.changed = project.now
    return json_reply(show(project, bucket, request.query))


def delete(project: Project, request: Request, name: str) -> Reply:
    """Delete a bucket that is empty, old versions included."""
    bucket = project.bucket(name)
    check(request.query, bucket)
    if bucket.objects or any(bucket.old.values()):
        raise refusal(409, "conflict", "The bucket you tried to delete is not empty.")
    del project.buckets[name]
    return Reply(204)


# Lists


def page(
    project: Project, request: Request, names: Names[Any], view: Callable[[str], list[dict[str, Any]]]
) -> dict[str, Any]:
    """Return a page of names: the rows that `view` has for each, the prefixes, and the next token."""
    query, largest = request.query, project.settings.largest_page
    limit = query.number("maxResults", largest) or largest
    try:
        after = base64.urlsafe_b64decode(query.get("pageToken", "")).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise invalid("Invalid page token.") from None
    found, more = names.page(
        min(limit, largest),
        prefix=query.get("prefix", ""),
        delimiter=query.get("delimiter", ""),
        after=after,
        start=query.get("startOffset", ""),
        end=query.get("endOffset", ""),
    )
    items = [row for name, is_prefix in found if not is_prefix for row in view(name)]
    prefixes = [name for name, is_prefix in found if is_prefix]
    return {
        **({"items": items} if items else {}),
        **({"prefixes": prefixes} if prefixes else {}),
        **({"nextPageToken": base64.urlsafe_b64encode(found[-1][0].encode()).decode()} if more else {}),
    }


def list_all(project: Project, request: Request) -> Reply:
    """List buckets."""
    if "project" not in request.query:
        raise refusal(
            400, "required", "Required parameter: project", locationType="parameter", location="project"
        )
    shown = page(
        project, request, project.buckets, lambda name: [show(project, project.buckets[name], request.query)]
    )
    return json_reply({"kind": "storage#buckets", **shown})
