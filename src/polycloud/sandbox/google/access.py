"""Who may read: policies of buckets, and entries of objects' access lists, of which everybody's count."""

from __future__ import annotations

from polycloud.sandbox.google.buckets import check_acl
from polycloud.sandbox.google.project import Project, etag
from polycloud.sandbox.google.words import body_of, invalid, json_reply, refusal
from polycloud.sandbox.objects.http import Reply, Request
from polycloud.sandbox.objects.store import Blob, Container

_EVERYBODY = {"entity": "allUsers", "role": "READER"}
_READERS = {"roles/storage.objectViewer", "roles/storage.legacyObjectReader", "roles/storage.objectAdmin"}


def is_public(bucket: Container, blob: Blob) -> bool:
    """Return whether everybody may read an object."""
    bindings = bucket.extra.get("bindings", ())
    roles = {one["role"] for one in bindings if _EVERYBODY["entity"] in one.get("members", ())}
    return str(blob.extra["acl"]).startswith("public") or not _READERS.isdisjoint(roles)


def policy(project: Project, _: Request, name: str) -> Reply:
    """Show the policy of a bucket."""
    bucket = project.bucket(name)
    bindings = bucket.extra.get("bindings", [])
    return json_reply({"kind": "storage#policy", "version": 1, "etag": etag(bucket), "bindings": bindings})


def set_policy(project: Project, request: Request, name: str) -> Reply:
    """Replace the policy of a bucket, if it is still the one that the `etag` names."""
    bucket, body = project.bucket(name), body_of(request.body)
    if body.get("etag", etag(bucket)) != etag(bucket):
        raise refusal(412, "conditionNotMet", "The policy has changed since it was read.")
    bucket.extra["bindings"] = body.get("bindings", [])
    bucket.extra["metageneration"] += 1
    return policy(project, request, name)


def add_entry(project: Project, request: Request, bucket: str, name: str) -> Reply:
    """Add everybody to the readers of an object."""
    blob, body = project.object(bucket, name), body_of(request.body)
    check_acl(project.bucket(bucket), "publicRead")
    if body != _EVERYBODY:
        raise invalid("The sandbox knows the entity allUsers with the role READER only.")
    blob.extra["acl"] = "publicRead"
    return json_reply({"kind": "storage#objectAccessControl", **body})
