"""Azure's Blob Storage over HTTP: paths, permissions, and the headers of all responses."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from polycloud.sandbox.azure import blobs, blocks, containers
from polycloud.sandbox.azure.account import Account, Place
from polycloud.sandbox.azure.signatures import Signer
from polycloud.sandbox.azure.words import refusal
from polycloud.sandbox.clouds import Settings
from polycloud.sandbox.objects.cloud import ObjectCloud
from polycloud.sandbox.objects.http import Refusal, Reply, Request

_VERSION = "2021-12-02"
_VERSION_ID = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z)?")
Handler = Callable[[Account, Request, Place], Reply]

# The handlers by method and `comp`, each with the permissions of a SAS of which one is needed.
_OF_ACCOUNT: dict[tuple[str, str], tuple[Handler, str]] = {("GET", "list"): (containers.list_containers, "l")}
_OF_CONTAINERS: dict[tuple[str, str], tuple[Handler, str]] = {
    ("PUT", ""): (containers.create, "cw"),
    ("GET", ""): (containers.show, "r"),
    ("HEAD", ""): (containers.show, "r"),
    ("GET", "metadata"): (containers.show, "r"),
    ("HEAD", "metadata"): (containers.show, "r"),
    ("DELETE", ""): (containers.delete, "d"),
    ("PUT", "metadata"): (containers.set_metadata, "w"),
    ("GET", "acl"): (containers.show_policies, ""),
    ("PUT", "acl"): (containers.set_policies, ""),
    ("GET", "list"): (containers.list_blobs, "l"),
}
_OF_BLOBS: dict[tuple[str, str], tuple[Handler, str]] = {
    ("PUT", ""): (blobs.put, "cw"),
    ("GET", ""): (blobs.get, "r"),
    ("HEAD", ""): (blobs.get, "r"),
    ("GET", "metadata"): (blobs.get, "r"),
    ("HEAD", "metadata"): (blobs.get, "r"),
    ("DELETE", ""): (blobs.delete, "d"),
    ("PUT", "metadata"): (blobs.set_metadata, "w"),
    ("PUT", "properties"): (blobs.set_properties, "w"),
    ("PUT", "block"): (blocks.put, "cw"),
    ("PUT", "blocklist"): (blocks.commit, "cw"),
    ("GET", "blocklist"): (blocks.show, "r"),
}


@dataclass(frozen=True, kw_only=True)
class AzureSettings(Settings):
    """The settings of Azure's Blob Storage.

    Attributes:
        account: the name of the storage account.
        key: its key, in base64.
        largest_page: the most blobs or containers in one list.
        versioning: whether the account keeps earlier versions of blobs.
    """

    account: str = "sandbox"
    key: str = "c2FuZGJveCBzYW5kYm94IHNhbmRib3ggc2FuZGJveCBzYW5kYm94IHNhbmRib3ggc2FuZGJveCBzYW5kYm94"
    largest_page: int = 5000
    versioning: bool = False


class AzureBlobs(ObjectCloud):
    """The cloud: one storage account."""

    settings_type: ClassVar[type[Settings]] = AzureSettings

    def __init__(self, settings: AzureSettings, *more: Any) -> None:
        self.credentials = (settings.account, settings.key)
        self._signer = Signer(settings.account, settings.key)
        super().__init__(settings, *more)

    def clear(self) -> None:
        """Delete all containers."""
        self._account = Account(self.settings, lambda: self.now)

    def handle(self, request: Request) -> Reply:
        """Respond to one request."""
        try:
            reply = self._reply(request)
        except Refusal as refused:
            reply = refused.reply
        headers = {
            "x-ms-request-id": str(uuid.uuid4()),
            "x-ms-version": request.headers.get("x-ms-version", _VERSION),
            **reply.headers,
        }
        if "x-ms-client-request-id" in request.headers:
            headers["x-ms-client-request-id"] = request.headers["x-ms-client-request-id"]
        return replace(reply, headers=headers)

    def _reply(self, request: Request) -> Reply:
        version = request.query.get("versionid", "")
        if not _VERSION_ID.fullmatch(version):
            raise refusal("InvalidQueryParameterValue")
        place = replace(self._place(request.decoded), version=version)
        is_container = request.query.get("restype") == "container"
        table = _OF_BLOBS if place.blob_name else _OF_CONTAINERS if is_container else _OF_ACCOUNT
        if bool(place.container_name) != (table is not _OF_ACCOUNT):
            raise refusal("InvalidUri")
        comp = request.query.get("comp", "")
        if (request.method, comp) not in table:
            known = any(one == comp for _, one in table)
            raise refusal("UnsupportedHttpVerb" if known else "InvalidQueryParameterValue")
        handler, needed = table[request.method, comp]
        self._permit(request, place, needed)
        return handler(self._account, request, place)

    def _place(self, path: str) -> Place:
        _, account, container, blob = [*path.split("/", 3), "", ""][:4]
        if account != self.settings.account:
            raise refusal("ResourceNotFound")
        return Place(self._account, container, blob)

    def _permit(self, request: Request, place: Place, needed: str) -> None:
        """Raise `Refusal` unless a request may do what it asks for."""
        container = self._account.containers.get(place.container_name)
        if "authorization" in request.headers:
            self._signer.check_key(request, self.now)
        elif "sig" in request.query:
            policies = container.extra["policies"] if container else {}
            exists = bool(container and place.blob_name in container.objects)
            # "c" creates what is not there, "w" writes either.
            needed = needed.replace("c", "") if exists else needed
            names = (place.container_name, place.blob_name)
            self._signer.check_sas(request.query, *names, needed, self.now, policies)
        else:
            public = container.extra["public"] if container else ""
            if not (request.is_read and (public == "container" or (public == "blob" and place.blob_name))):
                challenge = {"www_authenticate": "Bearer"}
                raise refusal("NoAuthenticationInformation", **challenge)
