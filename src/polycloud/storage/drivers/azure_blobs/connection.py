"""Requests to the Blob service: the account, paths, and errors by their codes."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from polycloud.common.arguments import require_count
from polycloud.common.azure import AzureStorageConnection, ClientLogin
from polycloud.common.azure.environments import account_host, environment_of
from polycloud.common.building import quoted
from polycloud.common.credentials import Credential
from polycloud.errors import InvalidArgumentError, InvalidCredsError, NotFoundError, ProviderHTTPError
from polycloud.storage.base import StorageDriver
from polycloud.storage.encryption import customer_key, require_private
from polycloud.storage.types import (
    ContainerAlreadyExistsError,
    ContainerDoesNotExistError,
    ContainerError,
    InvalidContainerNameError,
    ObjectAlreadyExistsError,
    ObjectDoesNotExistError,
    ObjectError,
    ObjectHashMismatchError,
    Provider,
)
from polycloud.storage.uploads import require_object_name
from polycloud.utils.values import shown

AUTH_TYPES = ("SharedKey", "azureAd")
LARGEST_PAGE = 5000
CONTAINER_NAME = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")
SPECIAL_CONTAINERS = frozenset({"$root", "$web", "$logs", "$blobchangefeed"})
UNUSABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\\]|\.(/|$)")
"""What Azure refuses in the name of a blob (control characters), or changes: it makes a slash of a backslash,
and removes dots at the end of a part."""
BEING_DELETED = "ContainerBeingDeleted"
CONTAINER_ERRORS: Mapping[str, type[ContainerError]] = {
    "ContainerNotFound": ContainerDoesNotExistError,
    BEING_DELETED: ContainerDoesNotExistError,
    "ContainerAlreadyExists": ContainerAlreadyExistsError,
}
OBJECT_ERRORS: Mapping[str, type[ObjectError]] = {
    "BlobNotFound": ObjectDoesNotExistError,
    "ResourceNotFound": ObjectDoesNotExistError,
    "BlobAlreadyExists": ObjectAlreadyExistsError,
    "ConditionNotMet": ObjectAlreadyExistsError,
    "TargetConditionNotMet": ObjectAlreadyExistsError,
}
OTHER_CONTENT = re.compile(r"Md5Mismatch|InvalidOperation: .*MD5")
"""What Azure says of a content that was changed on its way, and what its emulator says."""


class BlobConnection(AzureStorageConnection):
    """A connection to the Blob service; requests for a blob have the headers `encryption`, if there is a key.

    Source: "Provide an encryption key on a request to Blob storage".
    """

    def __init__(self, *args: Any, ex_customer_key: bytes | str | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.encryption: dict[str, str] = {}
        if ex_customer_key is not None:
            require_private(self.secure, self.host)
            self.encryption = _encryption(customer_key(ex_customer_key))

    def secrets(self) -> tuple[str, ...]:
        """Return what the storage account needs, and the customer's key."""
        key = self.encryption.get("x-ms-encryption-key")
        return (*super().secrets(), *((key,) if key else ()))

    def account(self) -> tuple[Any, ...]:
        """What is encrypted by another customer's key belongs to another account: this one cannot read it."""
        return (*super().account(), self.encryption.get("x-ms-encryption-key-sha256"))


class AzureBaseDriver(StorageDriver):
    """What the modules of the driver share: the account, paths, and errors."""

    connectionCls = BlobConnection
    connection: BlobConnection
    type = Provider.AZURE_BLOBS
    api_name = "azure_blobs"
    name = "Azure Blob Storage"
    website = "https://azure.microsoft.com/services/storage/blobs/"
    lists_in_order = False  # names come as UTF-16 has them, and of a hierarchical namespace folder by folder
    credentials = (
        Credential("key", ("AZURE_STORAGE_ACCOUNT",)),
        Credential("secret", ("AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN")),
    )

    def __init__(
        self,
        key: str,
        secret: str,
        secure: bool = True,
        host: str | None = None,
        port: int | None = None,
        region: str | None = None,
        *,
        tenant_id: str | None = None,
        identity: str | None = None,
        auth_type: str = "SharedKey",
        cloud_environment: str = "default",
        ex_authority: str | None = None,
        ex_per_page: int | None = None,
        ex_customer_key: bytes | str | None = None,
        **options: Any,
    ) -> None:
        environment = environment_of(cloud_environment)
        self._login: ClientLogin | None = None
        if auth_type not in AUTH_TYPES:
            message = f"auth_type must be one of {', '.join(AUTH_TYPES)}, got {shown(auth_type)}"
            raise InvalidArgumentError(message)
        if auth_type == "azureAd":
            if not tenant_id or not identity:
                message = 'auth_type="azureAd" needs tenant_id= and identity=, the id of the application'
                raise InvalidCredsError(message, driver=self)
            self._login = ClientLogin(tenant_id, identity, secret, ex_authority or environment.authority)
        self._customer_key = ex_customer_key
        self._page = require_count(
            "ex_per_page", LARGEST_PAGE if ex_per_page is None else ex_per_page, LARGEST_PAGE
        )
        host = account_host(key, host or f"blob.{environment.storage}")
        super().__init__(key, secret, secure, host, port, None, region, **options)

    def _ex_connection_class_kwargs(self) -> dict[str, Any]:
        return {"login": self._login, "ex_customer_key": self._customer_key}

    def _path(self, container_name: str, object_name: str | None = None) -> str:
        """Return the path of a container or an object, as it is signed: all but "/" is encoded.

        Raises `InvalidContainerNameError`, and `InvalidArgumentError` for the name of an object that Azure
        cannot keep as it is.
        """
        if not CONTAINER_NAME.fullmatch(container_name) and container_name not in SPECIAL_CONTAINERS:
            message = (
                "the name of a container must be 3 to 63 lower-case letters, digits and single hyphens "
                f"between them, got {container_name!r}"
            )
            raise InvalidContainerNameError(message, self, container_name)
        path = f"/{quoted(container_name, '$')}"
        return path if object_name is None else f"{path}/{quoted(self._usable(object_name), '/~')}"

    def _usable(self, object_name: str) -> str:
        if UNUSABLE.search(require_object_name(object_name)):
            raise InvalidArgumentError(
                "the name of an object in Azure must have no control character, no backslash, and no part "
                f"that ends with a dot, got {shown(object_name)}"
            )
        return object_name

    def _address(self, container_name: str, object_name: str | None = None) -> str:
        """Return the URL of a container or an object."""
        return self.connection.base_url() + self._path(container_name, object_name).lstrip("/")

    def _translated(
        self, error: ProviderHTTPError, container_name: str, object_name: str | None
    ) -> ContainerError | ObjectError | None:
        code = code_of(error)
        if code in CONTAINER_ERRORS:
            return CONTAINER_ERRORS[code](error.message, self, container_name)
        if object_name is None:
            is_missing = isinstance(error, NotFoundError)
            return ContainerDoesNotExistError(error.message, self, container_name) if is_missing else None
        if code in OBJECT_ERRORS:
            return OBJECT_ERRORS[code](error.message, self, object_name)
        if OTHER_CONTENT.match(str(error.message)):
            return ObjectHashMismatchError(error.message, self, object_name)
        if code == "InvalidBlockList":
            message = f"{error.message} (another upload of the object was completed in the meantime)"
            return ObjectError(message, self, object_name)
        is_missing = isinstance(error, NotFoundError)
        return ObjectDoesNotExistError(error.message, self, object_name) if is_missing else None


def _encryption(key: bytes) -> dict[str, str]:
    return {
        "x-ms-encryption-key": base64.b64encode(key).decode(),
        "x-ms-encryption-key-sha256": base64.b64encode(hashlib.sha256(key).digest()).decode(),
        "x-ms-encryption-algorithm": "AES256",
    }


def code_of(error: ProviderHTTPError) -> str:
    """Return Azure's code of an error."""
    return str(error.message).partition(":")[0]
