"""Swift's accounts and containers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import msgspec

from polycloud.sandbox.objects.http import Reply, Request, http_date
from polycloud.sandbox.objects.store import Blob, Container, Names
from polycloud.sandbox.openstack.swift import versions
from polycloud.sandbox.openstack.swift.large import bulk_delete
from polycloud.sandbox.openstack.swift.places import (
    HTML,
    JSON,
    POLICY,
    TEXT,
    Account,
    Handler,
    Place,
    Stores,
    check_metadata,
    plain,
    refusal,
    stamp,
)

_TRUE = {"true", "1", "yes", "on", "t", "y"}
_VERSIONS = "x-versions-enabled"
_RULES = {"x-container-read", "x-container-write"}


def _update(metadata: dict[str, str], request: Request, noun: str) -> None:
    """Change the metadata of an account or container as the headers of a request say."""
    check_metadata(request, noun)
    for header, value in request.headers.items():
        name = header.replace("x-remove-", "x-", 1)
        if not name.startswith(f"x-{noun}-meta-") and name not in _RULES:
            continue
        if header == name and value:
            metadata[name] = value
        elif header == name or name not in request.headers:
            metadata.pop(name, None)


# Listings


def _listing(stores: Stores, request: Request, names: Names[Any], show: Callable[[Any], Any]) -> Reply:
    """Return a page of names, in the format that a request asks for."""
    query, limit = request.query, _limit(stores, request)
    page, _ = names.page(
        limit,
        prefix=query.get("prefix", ""),
        delimiter=query.get("delimiter", ""),
        after=query.get("marker", ""),
        end=query.get("end_marker", ""),
        reverse=query.get("reverse", "").lower() in _TRUE,
    )
    rows = [{"subdir": name} if is_prefix else show(names[name]) for name, is_prefix in page]
    return _formatted(request, rows)


def _limit(stores: Stores, request: Request) -> int:
    largest: int = stores.settings.largest_page
    limit = request.query.number("limit", largest)
    if limit is not None and limit > largest:
        raise refusal(412, f"Maximum limit is {largest}")
    return largest if limit is None else limit


def _formatted(request: Request, rows: list[dict[str, Any]]) -> Reply:
    """Return a list as JSON, or as the names alone."""
    form = request.query.get("format", "").lower()
    if form == "json" or (not form and "application/json" in request.headers.get("accept", "")):
        return Reply(200, {"content-type": JSON}, msgspec.json.encode(rows))
    text = "".join(f"{row.get('name', row.get('subdir'))}\n" for row in rows)
    return Reply(200 if text else 204, {"content-type": TEXT}, text.encode())


def _versions(stores: Stores, request: Request, container: Container) -> Reply:
    """Return a page of all versions, the newest of each object first."""
    rows = [
        {**_show_object(blob), "is_latest": is_latest, "version_id": versions.version_of(blob)}
        if blob
        else {"subdir": name}
        for name, blob, is_latest in islice(versions.listed(container, request), _limit(stores, request))
    ]
    return _formatted(request, rows)


def _read(noun: str, facts: Callable[[Stores, Any], dict[str, str]], names: Any, show: Any) -> Handler:
    """Return the handler of GET and HEAD for an account or a container."""

    def handle(stores: Stores, request: Request, place: Place) -> Reply:
        what = place.account if noun == "account" else place.container
        headers = {
            **facts(stores, what),
            "x-timestamp": f"{what.created:.5f}",
            "accept-ranges": "bytes",
            "vary": "Accept",
            **what.metadata,
        }
        if request.method == "HEAD":
            return Reply(204, {"content-type": TEXT, **headers, "content-length": "0"})
        if isinstance(what, Container) and "versions" in request.query:
            reply = _versions(stores, request, what)
        else:
            reply = _listing(stores, request, names(what), show)
        return Reply(reply.status, {**headers, **reply.headers}, reply.body)

    return handle


# Accounts


def _bytes_used(containers: list[Container]) -> int:
    return sum(blob.content.size for one in containers for blob in one.objects.values())


def _account_facts(_: Stores, account: Account) -> dict[str, str]:
    containers = list(account.containers.values())
    facts = {
        "container-count": len(containers),
        "object-count": sum(len(one.objects) for one in containers),
        "bytes-used": _bytes_used(containers),
    }
    return {f"x-account-{name}": str(value) for name, value in facts.items()}


def _show_container(container: Container) -> dict[str, Any]:
    return {
        "name": container.name,
        "count": len(container.objects),
        "bytes": _bytes_used([container]),
        "last_modified": stamp(container.changed),
        "storage_policy": POLICY,
    }


def _post_account(stores: Stores, request: Request, place: Place) -> Reply:
    if "bulk-delete" in request.query:
        return bulk_delete(stores, request, place)
    _update(place.account.metadata, request, "account")
    return Reply(204, {"content-type": HTML})


_read_account = _read("account", _account_facts, lambda account: account.containers, _show_container)
OF_ACCOUNTS: dict[str, Handler] = {"GET": _read_account, "HEAD": _read_account, "POST": _post_account}


# Containers


def _container_facts(_: Stores, container: Container) -> dict[str, str]:
    return {
        "x-container-object-count": str(len(container.objects)),
        "x-container-bytes-used": str(_bytes_used([container])),
        "last-modified": http_date(int(container.changed) + 1),
        "x-storage-policy": POLICY,
        **({_VERSIONS: str(container.extra["versions"])} if "versions" in container.extra else {}),
    }


def _show_object(blob: Blob) -> dict[str, Any]:
    large = blob.extra.get("large")
    return {
        "bytes": large.size if large else blob.content.size,
        "hash": blob.etag,
        "name": blob.name,
        "content_type": blob.headers["content-type"],
        "last_modified": stamp(blob.changed),
        **({"slo_etag": f'"{large.etag}"'} if large else {}),
    }


def _put_container(stores: Stores, request: Request, place: Place) -> Reply:
    containers, name = place.account.containers, place.container_name
    is_new = name not in containers
    if is_new:
        containers[name] = Container(name=name, metadata={}, created=stores.now, changed=stores.now)
    _update(place.container.metadata, request, "container")
    if _VERSIONS in request.headers:
        place.container.extra["versions"] = request.headers[_VERSIONS].lower() in _TRUE
    return Reply(201, {"content-type": HTML}) if is_new else plain(202)


def _post_container(stores: Stores, request: Request, place: Place) -> Reply:
    _update(place.container.metadata, request, "container")
    if _VERSIONS in request.headers:
        place.container.extra["versions"] = request.headers[_VERSIONS].lower() in _TRUE
    place.container.changed = stores.now
    return Reply(204, {"content-type": HTML})


def _delete_container(_: Stores, __: Request, place: Place) -> Reply:
    if place.container.objects:
        raise refusal(409)
    if any(place.container.old.values()):
        raise refusal(409, "Delete all versions before deleting container.")
    del place.account.containers[place.container_name]
    return Reply(204, {"content-type": HTML})


_read_container = _read("container", _container_facts, lambda container: container.objects, _show_object)
OF_CONTAINERS: dict[str, Handler] = {
    "GET": _read_container,
    "HEAD": _read_container,
    "PUT": _put_container,
    "POST": _post_container,
    "DELETE": _delete_container,
}
