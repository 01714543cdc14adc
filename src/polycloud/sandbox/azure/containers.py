"""Azure's containers: create, show, list, delete, access policies."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from polycloud.sandbox.azure.account import Account, Place, metadata, shown_metadata, stamps, version_of
from polycloud.sandbox.azure.words import element, parse, refusal, xml_reply
from polycloud.sandbox.objects.content import Content
from polycloud.sandbox.objects.http import Reply, Request, http_date, unmet
from polycloud.sandbox.objects.store import Blob, Container, Names

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*|\$root|\$logs|\$web")
_SHORTEST, _LONGEST = 3, 63
_LEASE = "<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
_LEASES = {"x-ms-lease-status": "unlocked", "x-ms-lease-state": "available"}
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_POLICY = {"Start": "st", "Expiry": "se", "Permission": "sp"}
_MOST_POLICIES = 5
_PUBLIC = "x-ms-blob-public-access"


def create(account: Account, request: Request, place: Place) -> Reply:
    """Create a container."""
    name = place.container_name
    if not _SHORTEST <= len(name) <= _LONGEST:
        raise refusal("OutOfRangeInput")
    if not _NAME.fullmatch(name):
        raise refusal("InvalidResourceName")
    if name in account.containers:
        raise refusal("ContainerAlreadyExists")
    container = Container(name=name, metadata=metadata(request), created=account.now, changed=account.now)
    container.extra = {"policies": {}, "public": _public(request), "blocks": {}}
    account.containers[name] = container
    return Reply(201, account.touch(container))


def _public(request: Request) -> str:
    public = request.headers.get(_PUBLIC, "")
    if public not in {"", "container", "blob"}:
        raise refusal("InvalidHeaderValue")
    return public


def _shown_public(container: Container) -> dict[str, str]:
    return {_PUBLIC: container.extra["public"]} if container.extra["public"] else {}


def show(_: Account, __: Request, place: Place) -> Reply:
    """Show a container's properties."""
    container = place.container
    headers = {**_LEASES, **stamps(container), **shown_metadata(container), **_shown_public(container)}
    return Reply(200, headers)


def _check(request: Request, container: Container) -> None:
    status = unmet(request, container.etag, container.changed)
    if status:
        raise refusal("ConditionNotMet")


def delete(account: Account, request: Request, place: Place) -> Reply:
    """Delete a container with all that is in it."""
    _check(request, place.container)
    del account.containers[place.container_name]
    return Reply(202)


def set_metadata(account: Account, request: Request, place: Place) -> Reply:
    """Replace a container's metadata."""
    _check(request, place.container)
    place.container.metadata = metadata(request)
    return Reply(200, account.touch(place.container))


# Access policies


def show_policies(_: Account, __: Request, place: Place) -> Reply:
    """Show who may read a container without a key, and its access policies."""
    body = ""
    for key, policy in place.container.extra["policies"].items():
        fields = "".join(element(name, policy[short]) for name, short in _POLICY.items() if short in policy)
        shown = f"{element('Id', key)}<AccessPolicy>{fields}</AccessPolicy>"
        body += f"<SignedIdentifier>{shown}</SignedIdentifier>"
    headers = {**stamps(place.container), **_shown_public(place.container)}
    return xml_reply("SignedIdentifiers", body, 200, headers)


def set_policies(account: Account, request: Request, place: Place) -> Reply:
    """Replace them."""
    container, policies = place.container, {}
    _check(request, container)
    for one in parse(request.body).findall("SignedIdentifier") if request.content.size else ():
        fields = {short: one.findtext(f"AccessPolicy/{name}", "") for name, short in _POLICY.items()}
        policies[one.findtext("Id", "")] = {name: value for name, value in fields.items() if value}
    if len(policies) > _MOST_POLICIES:
        raise refusal("InvalidXmlDocument")
    container.extra |= {"policies": policies, "public": _public(request)}
    return Reply(200, account.touch(container))


# Lists


def _page(request: Request, account: Account, names: Names[Any]) -> tuple[list[tuple[str, bool]], str, str]:
    """Return the names on a page, the beginning of its body, and the element for the next marker."""
    query, largest = request.query, account.settings.largest_page
    limit = query.number("maxresults", largest)
    if not limit:
        raise refusal("OutOfRangeQueryParameterValue")
    try:
        after = base64.urlsafe_b64decode(query.get("marker", "")).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise refusal("InvalidQueryParameterValue") from None
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    page, more = names.page(min(limit, largest), prefix=prefix, delimiter=delimiter, after=after)
    marker = base64.urlsafe_b64encode(page[-1][0].encode()).decode() if more else ""
    given = {"Prefix": "prefix", "Marker": "marker", "MaxResults": "maxresults", "Delimiter": "delimiter"}
    head = "".join(_text(name, query[key]) for name, key in given.items() if key in query)
    return page, head, element("NextMarker", marker)


def list_containers(account: Account, request: Request, _: Place) -> Reply:
    """List containers."""
    page, head, end = _page(request, account, account.containers)
    body = "".join(_shown(request, account.containers[name], _container_fields) for name, _ in page)
    root = f'EnumerationResults ServiceEndpoint="{request.root}/{account.settings.account}/"'
    return xml_reply(root, f"{head}<Containers>{body}</Containers>{end}")


def _container_fields(container: Container) -> str:
    public = container.extra["public"]
    return (
        element("Last-Modified", http_date(container.changed))
        + element("Etag", f'"{container.etag}"')
        + _LEASE
        + (element("PublicAccess", public) if public else "")
    )


def list_blobs(account: Account, request: Request, place: Place) -> Reply:
    """List blobs; earlier versions and blobs without a committed block only if the request includes them."""
    container = place.container
    included = request.query.get("include", "").split(",")
    has_versions = "versions" in included
    names: Names[Any] = container.all_names() if has_versions else container.objects
    if "uncommittedblobs" in included:
        names = container.all_names()
        names.update(dict.fromkeys(container.extra["blocks"]))
    page, head, end = _page(request, account, names)
    body = ""
    for name, is_prefix in page:
        if is_prefix:
            body += f"<BlobPrefix>{_text('Name', name)}</BlobPrefix>"
            continue
        current = container.objects.get(name)
        for blob in container.versions(name) if has_versions else [current or _uncommitted(account, name)]:
            marks = _marks(blob, is_current=blob is current) if has_versions else ""
            body += _shown(request, blob, _blob_fields, marks)
    endpoint = f"{request.root}/{account.settings.account}/"
    root = f'EnumerationResults ServiceEndpoint="{endpoint}" ContainerName="{container.name}"'
    return xml_reply(root, f"{head}<Blobs>{body}</Blobs>{end}")


def _uncommitted(account: Account, name: str) -> Blob:
    now = account.now
    return Blob(name=name, content=Content(), headers={}, metadata={}, created=now, changed=now, etag="0x0")


def _marks(blob: Blob, *, is_current: bool) -> str:
    """Return the elements that tell the version of a blob."""
    mark = element("IsCurrentVersion", "true") if is_current else ""
    return element("VersionId", version_of(blob)) + mark if version_of(blob) else ""


def _text(tag: str, text: str) -> str:
    """Return the element for a text, which is encoded if XML cannot have its characters."""
    return element(tag, quote(text), Encoded="true") if _NOT_XML.search(text) else element(tag, text)


def _shown(request: Request, item: Any, fields: Callable[[Any], str], marks: str = "") -> str:
    kind = "Blob" if isinstance(item, Blob) else "Container"
    shown = ""
    if "metadata" in request.query.get("include", "").split(","):
        inner = "".join(element(name, value) for name, value in item.metadata.items())
        shown = f"<Metadata>{inner}</Metadata>"
    return f"<{kind}>{_text('Name', item.name)}{marks}<Properties>{fields(item)}</Properties>{shown}</{kind}>"


def _blob_fields(blob: Blob) -> str:
    names = ("Type", "Encoding", "Language", "MD5", "Disposition")
    texts = {f"Content-{name}": blob.headers.get(f"content-{name.lower()}", "") for name in names}
    texts["Cache-Control"] = blob.headers.get("cache-control", "")
    return (
        element("Creation-Time", http_date(blob.created))
        + element("Last-Modified", http_date(blob.changed))
        + element("Etag", blob.etag)
        + element("Content-Length", blob.content.size)
        + "".join(element(name, text) for name, text in texts.items())
        + "<BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier>"
        + _LEASE
        + "<ServerEncrypted>true</ServerEncrypted>"
    )
