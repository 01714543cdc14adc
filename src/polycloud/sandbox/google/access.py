"""Who may read Google's objects without a token: access lists, and policies of buckets."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import msgspec

from polycloud.sandbox.google.project import Project
from polycloud.sandbox.google.words import body_of, invalid, json_reply, precondition, refusal
from polycloud.sandbox.objects.http import Reply, Request
from polycloud.sandbox.objects.store import Blob, Container

Rows = list[dict[str, Any]]
_PREDEFINED = {
    "authenticatedRead": ("allAuthenticatedUsers", "READER"),
    "bucketOwnerFullControl": None,
    "bucketOwnerRead": None,
    "private": None,
    "projectPrivate": None,
    "publicRead": ("allUsers", "READER"),
    "publicReadWrite": ("allUsers", "WRITER"),
}
_ROLES = {"READER", "WRITER", "OWNER"}
_READERS = {
    "roles/storage.objectViewer",
    "roles/storage.objectAdmin",
    "roles/storage.objectUser",
    "roles/storage.admin",
    "roles/storage.legacyObjectReader",
}


def _is_uniform(bucket: Container) -> bool:
    rules = bucket.extra["fields"].get("iamConfiguration", {})
    return bool(rules.get("uniformBucketLevelAccess", {}).get("enabled"))


def _check_lists(bucket: Container) -> None:
    if _is_uniform(bucket):
        raise invalid("Access lists cannot be used while uniform bucket-level access is enabled.")


def predefined(project: Project, bucket: Container, name: str | None) -> Rows | None:
    """Return the access list of that name, None without a name.

    Raises:
        Refusal: there is no such list, or the bucket has no access lists.
    """
    if name is None:
        return None
    if name not in _PREDEFINED:
        raise invalid(f"Invalid value for predefinedAcl: {name}")
    _check_lists(bucket)
    more = _PREDEFINED[name]
    return [*owned(project), *([{"entity": more[0], "role": more[1]}] if more else ())]


def owned(project: Project) -> Rows:
    """Return the access list that permits nothing to others."""
    return [{"entity": f"user-{project.email}", "email": project.email, "role": "OWNER"}]


def is_public(bucket: Container | None, blob: Blob | None) -> bool:
    """Return whether everybody may read an object."""
    if bucket is None or blob is None:
        return False
    bindings = bucket.extra["policy"]
    if any(one.get("role") in _READERS and "allUsers" in one.get("members", ()) for one in bindings):
        return True
    return not _is_uniform(bucket) and any(row["entity"] == "allUsers" for row in blob.extra["acl"])


# Access lists of objects


def show_list(project: Project, _: Request, bucket: str, name: str) -> Reply:
    """Show the access list of an object."""
    _check_lists(project.bucket(bucket))
    rows = project.object(bucket, name).extra["acl"]
    return json_reply({"kind": "storage#objectAccessControls", "items": rows})


def add_row(project: Project, request: Request, bucket: str, name: str) -> Reply:
    """Permit something to somebody."""
    _check_lists(project.bucket(bucket))
    blob, body = project.object(bucket, name), body_of(request.body)
    row = {key: body.get(key) for key in ("entity", "role")}
    if not row["entity"] or row["role"] not in _ROLES:
        raise refusal(400, "required", "Required: entity, and role OWNER or READER")
    blob.extra["acl"] = [*(one for one in blob.extra["acl"] if one["entity"] != row["entity"]), row]
    blob.extra["metageneration"] += 1
    return json_reply({"kind": "storage#objectAccessControl", "object": name, "bucket": bucket, **row})


def delete_row(project: Project, _: Request, bucket: str, name: str, entity: str) -> Reply:
    """Take back what somebody was permitted."""
    blob = project.object(bucket, name)
    kept = [one for one in blob.extra["acl"] if one["entity"] != entity]
    if len(kept) == len(blob.extra["acl"]):
        raise refusal(404, "notFound", f"The specified ACL entry does not exist: {entity}")
    blob.extra["acl"] = kept
    blob.extra["metageneration"] += 1
    return Reply(204)


# Policies of buckets


def _shown_policy(bucket: Container) -> dict[str, Any]:
    bindings = bucket.extra["policy"]
    digest = hashlib.sha256(msgspec.json.encode(bindings)).digest()[:8]
    shown = {"kind": "storage#policy", "resourceId": f"projects/_/buckets/{bucket.name}", "version": 1}
    return {**shown, "etag": base64.b64encode(digest).decode(), "bindings": bindings}


def show_policy(project: Project, _: Request, bucket: str) -> Reply:
    """Show the policy of a bucket."""
    return json_reply(_shown_policy(project.bucket(bucket)))


def set_policy(project: Project, request: Request, bucket: str) -> Reply:
    """Replace the policy of a bucket, unless it has changed since the client read it."""
    container, body = project.bucket(bucket), body_of(request.body)
    if body.get("etag") not in {None, _shown_policy(container)["etag"]}:
        raise precondition()
    container.extra["policy"] = body.get("bindings") or []
    return json_reply(_shown_policy(container))
