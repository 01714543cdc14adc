"""Google's storage driver, by the JSON API. One module a noun.

Source: Google's reference of the Cloud Storage JSON API, version 1.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any

from polycloud.common.credentials import Credential
from polycloud.common.google import Account, ambient, service_account
from polycloud.common.providers import get_driver
from polycloud.errors import InvalidArgumentError, InvalidCredsError
from polycloud.storage.drivers.google_storage.connection import GoogleStorageConnection
from polycloud.storage.drivers.google_storage.containers import GoogleContainers
from polycloud.storage.drivers.google_storage.deleting import GoogleDeletes
from polycloud.storage.drivers.google_storage.encryption import CustomerKey
from polycloud.storage.drivers.google_storage.presigning import GooglePresigning
from polycloud.storage.drivers.google_storage.uploads import GoogleUploads
from polycloud.storage.drivers.google_storage.versions import GoogleVersions
from polycloud.storage.types import Provider

__all__ = ["GoogleStorageConnection", "GoogleStorageDriver"]

FULL_CONTROL = "https://www.googleapis.com/auth/devstorage.full_control"
EMULATOR = "STORAGE_EMULATOR_HOST"
HMAC_ID = re.compile(r"GOOG[A-Z0-9]{10,}")
"""The access id of an HMAC key."""


class GoogleStorageDriver(GoogleContainers, GoogleUploads, GoogleVersions, GoogleDeletes, GooglePresigning):
    """Google's storage: `GoogleStorageDriver("me@project.iam.gserviceaccount.com", "key.json")`.

    Args:
        key: The e-mail address of a service account. None with a key in JSON, which has it too. Without any
            key the account is that which Google's tools find: of `GOOGLE_APPLICATION_CREDENTIALS`, of
            `gcloud auth application-default login`, of the machine in Google's cloud.
        secret: The key: its JSON, its private key in PEM, or the path of a file with one of them.
        secure: Whether to use HTTPS.
        host: Another host than Google's. Without `host`, `port` and `url` that of `STORAGE_EMULATOR_HOST`
            counts, an emulator, which needs no key.
        port: Another port.
        region: The location in which containers are created, such as "EU"; Google's default is "US".
        project: The project whose containers are listed, and created; by default that of the key, of
            `GOOGLE_CLOUD_PROJECT`, or of the machine.
        ex_scopes: What the token is for; by default all of storage.
        ex_anonymous: Send no credentials, which is enough for public objects and for emulators.
        ex_customer_key: A key of yours by which Google encrypts the objects that are made, and without which
            it cannot read them: 32 bytes, or these as base64 text. It must be the key of all that is read.
        options: See `ConnectionOptions`.

    With an HMAC key (an access id that begins with GOOG, and its secret), it makes the driver
    `google_storage_hmac` instead, which speaks the XML API.
    """

    type = Provider.GOOGLE_STORAGE
    api_name = "google_storage"
    name = "Google Cloud Storage"
    website = "https://cloud.google.com/storage"
    finds_credentials = True
    credentials = (Credential("key"), Credential("secret"))

    def __new__(cls, key: str | None = None, *args: Any, **options: Any) -> Any:
        """Return the driver for this kind of key."""
        if isinstance(key, str) and HMAC_ID.fullmatch(key):
            return get_driver("storage", Provider.GOOGLE_STORAGE_HMAC)(key, *args, **options)
        return super().__new__(cls)

    def __init__(
        self,
        key: str | None = None,
        secret: str | None = None,
        secure: bool = True,
        host: str | None = None,
        port: int | None = None,
        region: str | None = None,
        project: str | None = None,
        *,
        ex_scopes: Iterable[str] = (FULL_CONTROL,),
        ex_anonymous: bool = False,
        ex_customer_key: bytes | str | None = None,
        **options: Any,
    ) -> None:
        emulator = os.environ.get(EMULATOR)
        if emulator and not (host or port or options.get("url")):
            options["url"] = emulator if "://" in emulator else f"http://{emulator}"
            ex_anonymous = ex_anonymous or not (key or secret)
        account = None if ex_anonymous else self._account(key, secret)
        if account is None:
            options.setdefault("allow_insecure", True)  # there are no credentials to expose
        if isinstance(ex_scopes, str):
            raise InvalidArgumentError("ex_scopes must be a list of addresses, got a str")
        self._connection_options = {
            "google_account": account,
            "scopes": tuple(ex_scopes),
            "customer_key": CustomerKey(ex_customer_key),
        }
        of_key = account.project if account is not None and secret else None
        self.project = project or of_key or os.environ.get("GOOGLE_CLOUD_PROJECT")
        super().__init__(key, secret, secure, host, port, None, region, **options)  # type: ignore[arg-type]

    def _account(self, key: str | None, secret: str | None) -> Account:
        if not key and not secret:
            return ambient()
        if not isinstance(secret, str) or not secret:
            message = "needs the key of the service account as secret=: its JSON, its PEM, or a file's path"
            raise InvalidCredsError(f"{self.name} {message}", driver=self)
        if key is not None and not isinstance(key, str):
            raise InvalidCredsError(
                f"{self.name} needs the address of a service account as key=", driver=self
            )
        return service_account(key, secret)

    def _credentials(self, key: str | None, secret: str | None) -> tuple[Any, ...]:
        return ()

    def _ex_connection_class_kwargs(self) -> dict[str, Any]:
        return dict(self._connection_options)
