"""Swift's containers: lists, creates and deletes, their metadata, and who may read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from polycloud.common.creation import is_refusal
from polycloud.concurrency.calls import together
from polycloud.errors import InvalidArgumentError, PolycloudError
from polycloud.storage.drivers.swift.connection import Named, SwiftBaseDriver, SwiftResponse
from polycloud.storage.metadata import metadata_headers, metadata_of
from polycloud.storage.objects import Container
from polycloud.storage.types import (
    ContainerAlreadyExistsError,
    ContainerDoesNotExistError,
    ContainerIsNotEmptyError,
)
from polycloud.storage.uploads import texts_of
from polycloud.utils.status import HTTPStatus

META = "x-container-meta-"
KEYS = f"{META}temp-url-key"
"""How the headers begin that have the keys of temporary URLs."""
MARK = "X-Container-Meta-Polycloud-Segments"
"""The header of containers that this library has made for segments."""
PUBLIC = ".r:*"
"""The entry of an access list that lets anybody read objects."""
LONGEST_NAME = 256
"""The most bytes of a container's name."""
SEGMENTS = "_segments"
"""How the name of the container ends that has the segments of another one's large objects."""


class ListedContainer(Named):
    """A container in the list of all."""

    count: int = 0
    bytes: int = 0
    last_modified: str | None = None

    def extra(self) -> dict[str, Any]:
        """Return the `extra` of the container."""
        return {"object_count": self.count, "size": self.bytes, "last_modified": self.last_modified}


class SwiftContainers(SwiftBaseDriver):
    """Containers as Swift has them."""

    def iterate_containers(self) -> Iterator[Container]:
        """Yield the containers of the account."""
        for page in self.connection.pages("/", ListedContainer, {}):
            yield together([Container(item.name, item.extra(), self) for item in page])

    def get_container(self, container_name: str) -> Container:
        """Return the container of this name, with its size, its metadata and its access lists."""
        response = self._look_up(container_name)
        headers = response.headers
        extra = {
            "object_count": response.number("x-container-object-count"),
            "size": response.number("x-container-bytes-used"),
            "last_modified": headers.get("last-modified"),
            "read_acl": headers.get("x-container-read", ""),
            "write_acl": headers.get("x-container-write", ""),
            "meta_data": {
                name: text
                for name, text in metadata_of(META, headers).items()
                if not f"{META}{name}".startswith((KEYS, MARK.lower()))
            },
        }
        return Container(container_name, extra, self)

    def create_container(self, container_name: str) -> Container:
        """Create a container.

        It sends two requests: whether it exists is asked first, so that a create whose response is lost can
        be sent again. Swift responds otherwise to a create of what exists (202), so that of two programs that
        create one container at the same time, one is refused.
        """
        path = self._path(container_name)
        with suppress(ContainerDoesNotExistError):
            self._look_up(container_name)
            raise ContainerAlreadyExistsError(driver=self, container_name=container_name)
        with self._errors(container_name):
            try:
                response: SwiftResponse = self.connection.request(path, method="PUT", idempotent=False)
            except PolycloudError as error:
                if is_refusal(error):
                    raise
                self.connection.request(path, method="PUT").require(HTTPStatus.CREATED, HTTPStatus.ACCEPTED)
            else:
                response.require(HTTPStatus.CREATED, HTTPStatus.ACCEPTED)
                if response.status == HTTPStatus.ACCEPTED:
                    raise ContainerAlreadyExistsError(driver=self, container_name=container_name)
        return Container(container_name, {"object_count": 0, "size": 0}, self)

    def delete_container(self, container: Container) -> bool:
        """Delete an empty container, and the one that this library has made for its segments."""
        self._delete_container(container.name)
        found = self._place_of_segments(container.name)
        if found is not None and MARK in found.headers:
            with suppress(ContainerDoesNotExistError, ContainerIsNotEmptyError):
                self._delete_container(f"{container.name}{SEGMENTS}")
        return True

    def _place_of_segments(self, container_name: str) -> SwiftResponse | None:
        """Return what Swift says about the container of another one's segments; None if there is none."""
        name = f"{container_name}{SEGMENTS}"
        with suppress(ContainerDoesNotExistError):
            if len(name.encode()) <= LONGEST_NAME:
                return self._may_look_up(name)
        return None

    def _delete_container(self, name: str) -> None:
        with self._errors(name):
            response: SwiftResponse = self.connection.request(self._path(name), method="DELETE")
            response.require(HTTPStatus.NO_CONTENT)

    # Public access

    def get_container_cdn_url(self, container: Container) -> str:
        """Return the address of the container, which the public reads after `enable_container_cdn`."""
        return self._address(container.name)

    def enable_container_cdn(self, container: Container) -> bool:
        """Let anybody read the objects of the container, whose names are not listed for the public."""
        acl = self.get_container(container.name).extra["read_acl"]
        if PUBLIC not in acl.split(","):
            self.ex_set_container_acl(container, read=",".join(filter(None, (acl, PUBLIC))))
        return True

    def ex_set_container_acl(
        self, container: Container, *, read: str | None = None, write: str | None = None
    ) -> bool:
        """Set who may read and who may write the objects of a container; None leaves it as it is.

        Args:
            container: The container.
            read: Such as ".r:*" (anybody), ".r:*,.rlistings" (with the list of names), "project:user" or "".
            write: Such as "project:user" or "".
        """
        acl = {"Read": read, "Write": write}
        with self._errors(container.name):
            self._update(
                self._path(container.name),
                "Container",
                {name: text for name, text in acl.items() if text is not None},
            )
        return True

    # Metadata

    def ex_set_container_metadata(self, container: Container, meta_data: Mapping[str, str]) -> bool:
        """Set metadata of a container; names that are not given stay, and "" deletes one."""
        given = metadata_headers("Meta-", swift_texts("meta_data", meta_data))
        with self._errors(container.name):
            self._update(self._path(container.name), "Container", given)
        return True

    def ex_enable_static_website(self, container: Container, index_file: str = "index.html") -> bool:
        """Have Swift serve a public container as a website; `index_file` is the page of a folder."""
        return self.ex_set_container_metadata(container, {"Web-Index": index_file})

    def ex_set_error_page(self, container: Container, file_name: str = "error.html") -> bool:
        """Set the page that a website shows for errors: for a 404 the object "404error.html"."""
        return self.ex_set_container_metadata(container, {"Web-Error": file_name})

    def ex_get_meta_data(self) -> dict[str, Any]:
        """Return `container_count`, `object_count`, `bytes_used` and `temp_url_key` of the account."""
        response: SwiftResponse = self.connection.request("/", method="HEAD")
        names = ("container-count", "object-count", "bytes-used")
        found = {name.replace("-", "_"): response.number(f"x-account-{name}") for name in names}
        return {**found, "temp_url_key": response.headers.get("x-account-meta-temp-url-key")}

    def ex_set_account_metadata_temp_url_key(self, key: str) -> bool:
        """Set the key by which temporary URLs of the account are signed, which takes Swift up to a minute."""
        self._update("/", "Account", {"Meta-Temp-URL-Key": key})
        return True


def swift_texts(argument: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return names and texts that Swift keeps: it drops names with an underscore without a word."""
    texts = texts_of(argument, given, ascii_only=False)
    for name in texts:
        if "_" in name:
            raise InvalidArgumentError(
                f"names in {argument} must not have '_', which Swift does not keep: {name!r}; "
                f"{name.replace('_', '-')!r} is kept"
            )
    return texts
