"""Google's buckets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from polycloud.common.arguments import drop_none
from polycloud.common.payload import Item, LazyExtra
from polycloud.errors import ConflictError, InvalidArgumentError, NotFoundError, ProviderHTTPError
from polycloud.storage.drivers.google_storage.connection import API, GoogleStorageBase, GoogleStorageResponse
from polycloud.storage.objects import Container
from polycloud.storage.types import (
    ContainerAlreadyExistsError,
    ContainerIsNotEmptyError,
    InvalidContainerNameError,
)
from polycloud.utils.status import HTTPStatus

ALREADY_MINE = "you already own"
"""What the message of a refused create has if the bucket is of the same project."""
INVALID_NAME = "bucket name"
FULL = frozenset({HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED})
VIEWER, EVERYBODY = "roles/storage.objectViewer", "allUsers"
KEYS = {
    "timeCreated": "creation_date",
    "location": "location",
    "locationType": "location_type",
    "storageClass": "storage_class",
    "projectNumber": "project_number",
    "etag": "etag",
}
"""The fields of a bucket that are in `extra`, and their keys."""


class BucketPayload(msgspec.Struct):
    """A bucket."""

    name: str


class BucketsPayload(msgspec.Struct):
    """The buckets of a list."""

    items: list[BucketPayload] = []


class BindingPayload(msgspec.Struct, omit_defaults=True):
    """Who has a role."""

    role: str
    members: list[str] = []
    condition: Any = None


class PolicyPayload(msgspec.Struct, omit_defaults=True):
    """Who may do what with a bucket. It is sent back with its `etag`, so that no other change is lost."""

    etag: str | None = None
    version: int | None = None
    bindings: list[BindingPayload] = []


def extra_of(raw: bytes) -> dict[str, Any]:
    """Return the `extra` of a container."""
    fields = msgspec.json.decode(raw)
    return {key: fields.get(name) for name, key in KEYS.items()}


class GoogleContainers(GoogleStorageBase):
    """Containers as Google has them."""

    project: str | None
    region: str | None

    def iterate_containers(self) -> Iterator[Container]:
        """Yield the buckets of the project, of all locations."""
        for response, items in self._pages(API, {"project": self._project()}, "storage#buckets"):
            yield from response.built(items, BucketPayload, self._container, lambda: BucketsPayload)

    def get_container(self, container_name: str) -> Container:
        """Return the bucket of this name, of any project."""
        with self._errors(container_name):
            response: GoogleStorageResponse = self.connection.request(self._path(container_name))
        return self._container_of(response)

    def create_container(
        self, container_name: str, *, ex_location: str | None = None, ex_storage_class: str | None = None
    ) -> Container:
        """Create a bucket in the project.

        It sends two requests: whether it exists is asked first. So a refusal that says that it is ours, after
        an earlier attempt whose response was lost, is a success.

        Args:
            container_name: The name, which no other bucket of any project has.
            ex_location: Where its objects are, such as "EU" or "europe-west1"; by default that of the
                driver's `region`, else Google's ("US").
            ex_storage_class: The storage class of its objects, such as "NEARLINE"; by default "STANDARD".
        """
        path, location = self._path(container_name), ex_location or self.region
        query = {"project": self._project()}
        body = {"name": container_name, "location": location, "storageClass": ex_storage_class}
        with self._errors(container_name):
            if self._is_there(path):
                raise ContainerAlreadyExistsError(driver=self, container_name=container_name)
            try:
                response: GoogleStorageResponse = self.connection.request(
                    API, query, method="POST", json=drop_none(body), idempotent=True
                )
            except ConflictError as error:
                if ALREADY_MINE not in str(error.message).lower():
                    raise ContainerAlreadyExistsError(error.message, self, container_name) from error
                response = self.connection.request(path)
            except ProviderHTTPError as error:
                if error.code != HTTPStatus.BAD_REQUEST or INVALID_NAME not in str(error.message).lower():
                    raise
                raise InvalidContainerNameError(error.message, self, container_name) from error
        return self._container_of(response)

    def delete_container(self, container: Container) -> bool:
        """Delete an empty bucket."""
        with self._errors(container.name):
            try:
                self.connection.request(self._path(container.name), method="DELETE")
            except ProviderHTTPError as error:
                if error.code not in FULL:
                    raise
                raise ContainerIsNotEmptyError(error.message, self, container.name) from error
        return True

    def get_container_cdn_url(self, container: Container) -> str:
        """Return the address of the bucket; whether the public may read it is up to its policy."""
        return self._public_url(container.name)

    def enable_container_cdn(self, container: Container) -> bool:
        """Let everybody read the objects of the bucket, those that come later included."""
        path = f"{self._path(container.name)}/iam"
        with self._errors(container.name):
            response = self.connection.request(path, {"optionsRequestedPolicyVersion": 3})
            policy: PolicyPayload = response.decode(PolicyPayload)
            given = next((one for one in policy.bindings if one.role == VIEWER and not one.condition), None)
            if given is None:
                policy.bindings.append(given := BindingPayload(VIEWER))
            if EVERYBODY not in given.members:
                given.members.append(EVERYBODY)
                self.connection.request(path, method="PUT", json=policy)
        return True

    def _project(self) -> str:
        project = self.project or self.connection.project()
        if not isinstance(project, str):
            raise InvalidArgumentError(f"project must be a str, got {type(project).__name__}")
        return project

    def _is_there(self, path: str) -> bool:
        try:
            self.connection.request(path, {"fields": "name"})
        except NotFoundError:
            return False
        except ProviderHTTPError as error:
            if error.code != HTTPStatus.FORBIDDEN:
                raise
        return True  # it is of another account, if it may not be read

    def _container_of(self, response: GoogleStorageResponse) -> Container:
        return self._container(Item(response.decode(BucketPayload), response.content))

    def _container(self, item: Item[BucketPayload]) -> Container:
        return Container(item.value.name, LazyExtra(item.raw, extra_of), self)
