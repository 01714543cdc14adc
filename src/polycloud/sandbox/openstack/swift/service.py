"""Swift over HTTP: paths, and the handlers behind them."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import msgspec

from polycloud.sandbox.objects.http import Refusal, Reply, Request
from polycloud.sandbox.openstack.identity import Identity
from polycloud.sandbox.openstack.swift import access, containers, large, objects
from polycloud.sandbox.openstack.swift.places import (
    JSON,
    LONGEST_CONTAINER,
    LONGEST_OBJECT,
    META_LIMITS,
    POLICY,
    Handler,
    Place,
    Stores,
    refusal,
)


class Swift:
    """The object stores of all regions; for the arguments see `Stores`."""

    def __init__(self, identity: Identity, prefix: str, settings: Any) -> None:
        self._stores = Stores(identity, prefix, settings)
        self._lock = threading.Lock()

    @staticmethod
    def has(path: str) -> bool:
        """Return whether a path, without the region, is one of Swift's."""
        return path.startswith(("/v1/", "/auth/")) or path == "/info"

    def handle(self, region: str, request: Request) -> Reply:
        """Respond to one request, whose path does not name the region."""
        trans = f"tx{secrets.token_hex(11)[1:]}-{int(self._stores.now):010x}"
        try:
            with self._lock:
                reply = self._reply(region, request)
        except Refusal as refused:
            reply = refused.reply
        if request.method == "HEAD" and reply.status >= HTTPStatus.BAD_REQUEST:
            reply = replace(reply, body=b"")
        headers = {"x-trans-id": trans, "x-openstack-request-id": trans, **reply.headers}
        return Reply(reply.status, headers, reply.body)

    def _reply(self, region: str, request: Request) -> Reply:
        if request.path == "/info":
            return Reply(200, {"content-type": JSON}, msgspec.json.encode(_info(self._stores.settings)))
        if request.path.startswith("/auth/"):
            return access.log_in(self._stores, region, request)
        place = self._place(region, request)
        access.permit(self._stores, region, request, place)
        handlers = _handlers(place)
        if request.method not in handlers:
            raise refusal(405, headers={"allow": ", ".join(handlers)})
        return handlers[request.method](self._stores, request, place)

    def _place(self, region: str, request: Request) -> Place:
        try:
            parts = request.decoded.split("/", 4)[1:]
        except UnicodeDecodeError:
            raise refusal(412, "Invalid UTF8 or contains NULL") from None
        version, account, container, name = [*parts, "", "", ""][:4]
        if "\0" in container + name:
            raise refusal(412, "Invalid UTF8 or contains NULL")
        if version != "v1" or not account:
            raise refusal(412, "Bad URL")
        for noun, text, most in (
            ("Container", container, LONGEST_CONTAINER),
            ("Object", name, LONGEST_OBJECT),
        ):
            if (size := len(text.encode())) > most:
                raise refusal(400, f"{noun} name length of {size} longer than {most}")
        version = request.query.get("version-id", "")
        return Place(account, self._stores.account(region, account), container, name, version)


def _handlers(place: Place) -> Mapping[str, Handler]:
    if place.name:
        return objects.HANDLERS
    return containers.OF_CONTAINERS if place.container_name else containers.OF_ACCOUNTS


def _info(settings: Any) -> dict[str, Any]:
    return {
        "swift": {
            "version": "2.38.3",
            "policies": [{"name": POLICY, "aliases": POLICY, "default": True}],
            "max_file_size": settings.largest_object,
            **{f"max_meta_{name}": most for name, most in META_LIMITS.items()},
            "max_object_name_length": LONGEST_OBJECT,
            "max_container_name_length": LONGEST_CONTAINER,
            "container_listing_limit": settings.largest_page,
            "account_listing_limit": settings.largest_page,
        },
        "slo": {
            "max_manifest_segments": large.MOST_SEGMENTS,
            "max_manifest_size": 8 << 20,
            "min_segment_size": 1,
        },
        "object_versioning": {},
        "bulk_delete": {"max_deletes_per_request": large.MOST_DELETES, "max_failed_deletes": 1000},
        "tempurl": {
            "methods": list(access.TEMPORARY),
            "allowed_digests": list(access.DIGESTS.values()),
            "deprecated_digests": ["sha1"],
        },
    }
