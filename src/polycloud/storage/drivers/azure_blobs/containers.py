"""Azure's containers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree as ET

from polycloud.common.azure import AzureStorageResponse
from polycloud.common.busy import when_free
from polycloud.errors import ConflictError, ProviderError, ProviderHTTPError
from polycloud.storage.drivers.azure_blobs.connection import BEING_DELETED, AzureBaseDriver, code_of
from polycloud.storage.objects import Container
from polycloud.storage.types import ContainerAlreadyExistsError, ContainerIsNotEmptyError
from polycloud.utils.headers import Headers, http_date

CONTAINER = {"restype": "container"}
LIST = {**CONTAINER, "comp": "list"}
DELETION = 60.0
"""Seconds for which a create waits until an earlier container of its name is gone; it takes 30 or more."""
META = "x-ms-meta-"
ACCESS = "x-ms-blob-public-access"


def page_of(
    response: AzureStorageResponse, path: str, marker: str | None
) -> tuple[list[ET.Element], str | None]:
    """Return the elements at `path` ("Blobs/Blob") of the page that has this marker, and the next marker."""
    root = response.root("EnumerationResults")
    group, _, name = path.partition("/")
    found = root.find(group)
    if found is None:
        raise response.malformed(f"the response has no <{group}>")
    following = root.findtext("NextMarker") or None
    if following is not None and following == marker:
        raise response.malformed("the list returns to the same page and has no end")
    return found.findall(name), following


class AzureContainers(AzureBaseDriver):
    """Containers as Azure has them."""

    def iterate_containers(self) -> Iterator[Container]:
        """Yield the containers of the account, a page at a time."""
        marker: str | None = None
        while True:
            params = {"comp": "list", "marker": marker, "maxresults": self._page}
            response: AzureStorageResponse = self.connection.request("/", params)
            elements, marker = page_of(response, "Containers/Container", marker)
            for element in elements:
                name = element.findtext("Name")
                if not name:
                    raise response.malformed("a container of the list has no name")
                properties = {one.tag.lower(): one.text or "" for one in element.iterfind("Properties/*")}
                yield self._container(name, properties, "publicaccess")
            if marker is None:
                return

    def get_container(self, container_name: str) -> Container:
        """Return the container of this name."""
        headers = self._properties(container_name)
        return self._container(container_name, headers)

    def create_container(self, container_name: str) -> Container:
        """Create a container.

        If one of this name is still being deleted, which takes half a minute, it waits for up to a minute.
        """
        path, began = self._path(container_name), time.monotonic()

        def send() -> AzureStorageResponse:
            response: AzureStorageResponse = self.connection.request(path, CONTAINER, method="PUT")
            return response

        try:
            headers = when_free(send, timeout=DELETION, is_busy=_is_being_deleted).headers
        except ConflictError as error:
            if code_of(error) == BEING_DELETED:
                raise ContainerAlreadyExistsError(error.message, self, container_name) from error
            with self._errors(container_name):
                if not error.repeated:
                    raise
                headers = self._made_since(began, container_name, error)
        return self._container(container_name, headers)

    def delete_container(self, container: Container) -> bool:
        """Delete an empty container.

        Azure would delete its objects too, so it is asked first whether there are any.
        """
        path = self._path(container.name)
        with self._errors(container.name):
            if not self._is_empty(path):
                raise ContainerIsNotEmptyError(driver=self, container_name=container.name)
            try:
                self.connection.request(path, CONTAINER, method="DELETE")
            except ConflictError as error:
                if not (error.repeated and code_of(error) == BEING_DELETED):  # by an earlier attempt
                    raise
        return True

    def get_container_cdn_url(self, container: Container) -> str:
        """Return the address of the container; whether the public may read it: `enable_container_cdn`."""
        return self._address(container.name)

    def enable_container_cdn(self, container: Container) -> bool:
        """Let the public read the objects of the container, but not list them.

        Its stored access policies stay. Raises `ConflictError` if the account does not allow public access.
        """
        path, params = self._path(container.name), {**CONTAINER, "comp": "acl"}
        with self._errors(container.name):
            policies: AzureStorageResponse = self.connection.request(path, params)
            policies.root("SignedIdentifiers")
            headers = {ACCESS: "blob", "Content-Type": "application/xml"}
            self.connection.request(path, params, policies.content, headers, "PUT")
        return True

    def _is_empty(self, path: str) -> bool:
        marker: str | None = None
        while True:  # a page may have a marker and no blobs
            params = {**LIST, "maxresults": 1, "marker": marker}
            response: AzureStorageResponse = self.connection.request(path, params)
            elements, marker = page_of(response, "Blobs/Blob", marker)
            if elements or marker is None:
                return not elements

    def _properties(self, container_name: str) -> Headers:
        with self._errors(container_name):
            headers: Headers = self.connection.request(
                self._path(container_name), CONTAINER, method="HEAD"
            ).headers
        return headers

    def _made_since(self, began: float, container_name: str, error: ProviderHTTPError) -> Headers:
        """Return the headers of a container if an earlier attempt, whose response was lost, has made it."""
        headers = self._properties(container_name)
        now, made = (http_date(headers.get(name, "")) for name in ("date", "last-modified"))
        passed = time.monotonic() - began + 1  # dates have no fractions of a second
        if now is None or made is None or (now - made).total_seconds() > passed:
            raise error
        return headers

    def _container(self, name: str, properties: Mapping[str, str], access: str = ACCESS) -> Container:
        """Return a container; `access` is the name of the property that says what the public may do."""
        extra = {"last_modified": properties.get("last-modified"), "public_access": properties.get(access)}
        return Container(name, extra, self)


def _is_being_deleted(error: ProviderError) -> bool:
    return isinstance(error, ConflictError) and code_of(error) == BEING_DELETED
