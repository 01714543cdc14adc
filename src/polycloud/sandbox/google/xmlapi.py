"""The few requests of Google's XML API that signed URLs are made for: an object by its path."""

from __future__ import annotations

from polycloud.sandbox.google.access import is_public
from polycloud.sandbox.google.objects import SETTABLE, media, new_blob
from polycloud.sandbox.google.project import Project
from polycloud.sandbox.google.signatures import ServiceAccount, xml_refusal
from polycloud.sandbox.google.uploads import hashes
from polycloud.sandbox.objects.http import Reply, Request
from polycloud.sandbox.rest.bodies import Query

_META = "x-goog-meta-"


def handle_xml(project: Project, account: ServiceAccount, request: Request) -> Reply:
    """Respond to a request with the path `/bucket/object`. Raises `Refusal`."""
    _, bucket_name, name = [*request.decoded.split("/", 2), ""][:3]
    bucket = project.buckets.get(bucket_name)
    blob = bucket.objects.get(name) if bucket else None
    is_free = request.is_read and is_public(bucket, blob)
    if "x-goog-signature" in {one.lower() for one in request.query}:
        account.check_url(request, project.now)
    elif not is_free and not account.may(request, project.now, is_read=request.is_read):
        raise xml_refusal(403, "AccessDenied", "Access denied.")
    if bucket is None:
        raise xml_refusal(404, "NoSuchBucket", "The specified bucket does not exist.")
    if request.method == "PUT":
        return _put(project, request, bucket_name, name)
    if blob is None:
        raise xml_refusal(404, "NoSuchKey", "The specified key does not exist.")
    if request.method == "DELETE":
        project.remove(bucket, name)
        return Reply(204)
    if not request.is_read:
        raise xml_refusal(
            405, "MethodNotAllowed", "The specified method is not allowed against this resource."
        )
    reply = media(request, blob, f'"{blob.content.md5.hex()}"')
    metadata = {f"{_META}{key}": value for key, value in blob.metadata.items()}
    return Reply(reply.status, {**reply.headers, **metadata}, reply.body)


def _put(project: Project, request: Request, bucket: str, name: str) -> Reply:
    headers = request.headers
    fields = {field: headers[header] for field, header in SETTABLE.items() if header in headers}
    body = {**hashes(request), **fields, "name": name, "metadata": request.prefixed(_META)}
    # The JSON API's parameters, as headers.
    query = Query()
    for header, value in request.prefixed("x-goog-if-").items():
        query["if" + header.title().replace("-", "")] = value
    put = Request("PUT", request.path, query, headers, request.content, request.root)
    new_blob(project, put, bucket, body, request.content)
    blob = project.object(bucket, name)
    return Reply(
        200, {"etag": f'"{blob.content.md5.hex()}"', "x-goog-generation": str(blob.extra["generation"])}
    )
