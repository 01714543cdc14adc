"""Rackspace's Cloud Files: Swift, with the identity of Rackspace and a content delivery network.

The network has a service of its own, which knows the containers that were ever made public by it. Cloud Files
has no versions of objects but those that a program copies to another container by itself.

Source: Rackspace's documentation of Cloud Files v1, "Storage API reference" and "CDN API reference".
"""

from __future__ import annotations

from typing import Any, ClassVar

from polycloud.common.building import quoted
from polycloud.common.credentials import Credential
from polycloud.common.openstack.publicclouds import RACKSPACE, RACKSPACE_UK
from polycloud.errors import InvalidArgumentError, NotFoundError
from polycloud.storage.drivers.swift.connection import SwiftConnection
from polycloud.storage.drivers.swift.copies import SwiftCopies
from polycloud.storage.drivers.swift.deleting import SwiftDeletes
from polycloud.storage.drivers.swift.presigning import SwiftPresigning
from polycloud.storage.objects import Container, Object
from polycloud.storage.types import Provider

__all__ = ["CloudFilesStorageDriver", "CloudFilesUKStorageDriver", "CloudFilesUSStorageDriver"]

SHORTEST_TTL, LONGEST_TTL = 900, 31_536_000


class CDNConnection(SwiftConnection):
    """A connection to the service of the content delivery network."""

    service_types = ("rax:object-cdn",)


class CloudFilesStorageDriver(SwiftCopies, SwiftDeletes, SwiftPresigning):
    """Rackspace's storage driver: `CloudFilesStorageDriver("user", "API key", region="iad")`.

    With `ex_force_auth_version="2.0_password"` the second argument is the password;
    `use_internal_url=True` takes Rackspace's own network, from its servers of the same region. See
    `OpenStackBaseDriver` for the other arguments.
    """

    type = Provider.CLOUDFILES
    name = "Rackspace Cloud Files"
    website = RACKSPACE.website
    api_name = "rackspace"
    default_method = "2.0_apikey"
    public_cloud = RACKSPACE
    default_region: ClassVar[str] = "ORD"
    finds_credentials = False
    credentials = (Credential("username", ("RS_USERNAME",)), Credential("api_key", ("RS_API_KEY",)))
    temp_url_digest = "sha1"
    further_connections: ClassVar = {"cdn_connection": CDNConnection}
    cdn_connection: CDNConnection

    def __init__(
        self,
        key: str | None = None,
        secret: str | None = None,
        secure: bool = True,
        host: str | None = None,
        port: int | None = None,
        region: str | None = None,
        use_internal_url: bool = False,
        *,
        ex_force_service_name: str | None = "cloudFiles",
        ex_interface: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            key,
            secret,
            secure,
            host,
            port,
            None,
            region or self.default_region,
            ex_force_service_name=ex_force_service_name,
            ex_interface=ex_interface or ("internal" if use_internal_url else None),
            **options,
        )

    # Content delivery network

    def get_container_cdn_url(self, container: Container, *, ex_ssl_uri: bool = False) -> str:
        """Return the address of a container on the network, by HTTPS if `ex_ssl_uri` says so.

        Raises `InvalidArgumentError` if the container is not public; see `enable_container_cdn`.
        """
        path = self._path(container.name)
        try:
            headers = self.cdn_connection.request(path, method="HEAD").headers
        except NotFoundError:
            self._look_up(container.name)
            headers = {}
        url: str | None = headers.get("x-cdn-ssl-uri" if ex_ssl_uri else "x-cdn-uri")
        if not url or headers.get("x-cdn-enabled", "").lower() != "true":
            raise InvalidArgumentError(
                f"the container {container.name!r} is not on the content delivery network; call "
                "enable_container_cdn()"
            )
        return url

    def get_object_cdn_url(self, obj: Object, *, ex_ssl_uri: bool = False) -> str:
        """Return the address of an object on the network; see `get_container_cdn_url`."""
        url = self.get_container_cdn_url(obj.container, ex_ssl_uri=ex_ssl_uri)
        return f"{url}/{quoted(obj.name, '/~')}"

    def enable_container_cdn(self, container: Container, *, ex_ttl: int | None = None) -> bool:
        """Put a container on the network, which keeps copies of its objects for `ex_ttl` seconds.

        Raises `InvalidArgumentError` unless that is 15 minutes to a year.
        """
        if ex_ttl is not None and not SHORTEST_TTL <= ex_ttl <= LONGEST_TTL:
            raise InvalidArgumentError(
                f"ex_ttl must be {SHORTEST_TTL} to {LONGEST_TTL} seconds, got {ex_ttl}"
            )
        self._look_up(container.name)  # the network's service would create it
        return self._change_cdn(container, "PUT", enabled=True, ttl=ex_ttl)

    def ex_disable_container_cdn(self, container: Container) -> bool:
        """Take a container from the network, which may have copies until their time is over."""
        return self._change_cdn(container, "POST", enabled=False)

    def ex_purge_object_from_cdn(self, obj: Object, email: str | None = None) -> bool:
        """Have the network forget its copies of an object, and send an e-mail when that is done."""
        path = self._path(obj.container.name, obj.name)
        headers = {"X-Purge-Email": email} if email else None
        with self._errors(obj.container.name, obj.name):
            self.cdn_connection.request(path, method="DELETE", headers=headers)
        return True

    def _change_cdn(
        self, container: Container, method: str, *, enabled: bool, ttl: int | None = None
    ) -> bool:
        headers = {"X-CDN-Enabled": str(enabled), **({} if ttl is None else {"X-TTL": str(ttl)})}
        with self._errors(container.name):
            self.cdn_connection.request(
                self._path(container.name), method=method, headers=headers, idempotent=True
            )
        return True


class CloudFilesUSStorageDriver(CloudFilesStorageDriver):
    """Rackspace's storage driver for Chicago, under an older name of Libcloud's."""

    type = Provider.CLOUDFILES_US


class CloudFilesUKStorageDriver(CloudFilesStorageDriver):
    """Rackspace's storage driver for London, where accounts have an identity service of their own."""

    type = Provider.CLOUDFILES_UK
    default_region = "LON"
    public_cloud = RACKSPACE_UK
